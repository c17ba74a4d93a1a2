"""Runs four published models, which are not part of this repository, through TFLM, and compares.

The digests of TFLM's outputs are kept in real_models.sha256: of each model file (<name>.tflite), and of its output bytes
for each stream (<name>.<stream>). Without --write the run fails where TFLM, or `tanbo run` if --tanbo is given, differs.

    python real_models.py --models DIR [--out DIR] [--tanbo PATH [--runner R]] [--write]
"""

import argparse
import hashlib
import pathlib
import subprocess
import sys
import tempfile

import judge

MODELS = ("kws_ref_model", "pretrainedResnet_quant", "tflm_micro_speech_quantized", "tflm_person_detect")
DIGESTS = pathlib.Path(__file__).with_name("real_models.sha256")


def tanbo_output(tanbo, runner, model, inputs, out):
    """What `tanbo run` writes for one input file per input (these models have one output)."""
    command = [tanbo, "run", model, *(part for path in inputs for part in ("--input", path)), "--output", out]
    subprocess.run(command + (["--runner", runner] if runner else []), check=True, stdout=subprocess.DEVNULL)
    return out.read_bytes()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=pathlib.Path, required=True, help="folder with the four .tflite files")
    parser.add_argument("--out", type=pathlib.Path, help="folder for inputs and outputs (default: a temporary one)")
    parser.add_argument("--tanbo", help="tanbo binary to compare with TFLM")
    parser.add_argument("--runner", help="runner for tanbo")
    parser.add_argument("--write", action="store_true", help=f"rewrite {DIGESTS.name}")
    args = parser.parse_args()
    out = args.out or pathlib.Path(tempfile.mkdtemp(prefix="tanbo-tflite-"))
    out.mkdir(parents=True, exist_ok=True)

    digests, differ = {}, []
    for name in MODELS:
        path = args.models / f"{name}.tflite"
        model = path.read_bytes()
        digests[path.name] = hashlib.sha256(model).hexdigest()
        for stream in judge.STREAMS:
            key = f"{name}.{stream}"
            inputs, outputs = judge.run(model, stream)
            files = [out / f"{key}.in{i}.bin" for i in range(len(inputs))]
            for file, array in zip(files, inputs):
                file.write_bytes(array.tobytes())
            expected = b"".join(array.tobytes() for array in outputs)
            (out / f"{key}.tflm.bin").write_bytes(expected)
            digests[key] = hashlib.sha256(expected).hexdigest()
            if args.tanbo and tanbo_output(args.tanbo, args.runner, path, files, out / f"{key}.tanbo.bin") != expected:
                differ.append(f"{key}: tanbo differs from TFLM")

    lines = [f"{digest}  {key}" for key, digest in digests.items()]
    if args.write:
        DIGESTS.write_text("\n".join(lines) + "\n")
    differ += [
        f"{line.split()[1]}: not the digest in {DIGESTS.name}"
        for line in lines
        if line not in DIGESTS.read_text().split("\n")
    ]
    print("\n".join(differ) or f"{len(MODELS)} models x {len(judge.STREAMS)} streams agree; bytes in {out}")
    sys.exit(bool(differ))


if __name__ == "__main__":
    main()
