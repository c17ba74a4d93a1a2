"""Writes what TFLM makes of the wake-word models in wakeword/: see its SOURCE.md.

python wakeword.py
"""

import hashlib
import pathlib

import flatbuffers
import judge
from tflite_micro.python.tflite_micro.runtime import schema_fb as fb

FOLDER = pathlib.Path(__file__).parent / "wakeword"
STEPS = 200
TAPPED = {fb.BuiltinOperator.CONV_2D, fb.BuiltinOperator.DEPTHWISE_CONV_2D, fb.BuiltinOperator.FULLY_CONNECTED}


def tapped(model):
    """`model` with the results of its convolutions and fully connected operators as outputs, in their order."""
    root = fb.ModelT.InitFromPackedBuf(model, 0)
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in root.operatorCodes]
    main = root.subgraphs[0]
    main.outputs = [op.outputs[0] for op in main.operators if codes[op.opcodeIndex] in TAPPED]
    packer = flatbuffers.Builder(1 << 16)
    packer.Finish(root.Pack(packer), b"TFL3")
    return bytes(packer.Output())


def answers():
    """{file name: content} of goldens and digests."""
    files, digests = {}, []
    for path in sorted(FOLDER.glob("*.tflite")):
        model = path.read_bytes()
        files[f"{path.stem}.golden"] = judge.golden(model, steps=STEPS)
        digest = hashlib.sha256(judge.golden(tapped(model), steps=STEPS)).hexdigest()
        digests.append(f"{digest}  {path.stem}\n")
    return files | {"taps.sha256": "".join(digests).encode()}


def main():
    for name, content in answers().items():
        (FOLDER / name).write_bytes(content)


if __name__ == "__main__":
    main()
