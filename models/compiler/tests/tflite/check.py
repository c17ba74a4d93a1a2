"""Checks the committed files, and the formulas: fails if one byte differs.

Every model of cases.py is built again and run by TFLM: models and goldens must be those committed. The exact-integer
interpreter in benches/conformance/oracle/tflite_ops.py must give the same outputs, and for the published models in
--models DIR too.

    python check.py [--models DIR]
"""

import argparse
import pathlib
import sys

import judge
import wakeword
from cases import CASES, LITERT, REFUSED
from cases_stateful import STATEFUL, STEPS
from generate import FOLDERS, build
from real_models import MODELS

sys.path.append(str(pathlib.Path(__file__).parents[4] / "benches/conformance/oracle"))
import tflite_ops
import tflite_functions  # noqa: F401
import tflite_selection  # noqa: F401


def oracle_agrees(model, litert=False):
    """Whether the interpreter gives the judge's outputs on every stream: types, shapes and bytes."""
    for stream in judge.STREAMS:
        inputs, expected = (judge.run_litert if litert else judge.run)(model, stream)
        for a, b in zip(expected, tflite_ops.run(model, inputs), strict=True):
            if (a.dtype, a.shape, a.tobytes()) != (b.dtype, b.shape, b.tobytes()):
                return False
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=pathlib.Path, help="folder with the models of real_models.py")
    args = parser.parse_args()

    wrong = []
    expected = {FOLDERS["cases"] / f"{name}.{end}" for name in CASES for end in ("tflite", "golden")}
    expected |= {FOLDERS["refused"] / f"{name}.tflite" for name in REFUSED}
    expected |= {FOLDERS["stateful"] / f"{name}.{end}" for name in STATEFUL for end in ("tflite", "golden")}
    found = {path for folder in FOLDERS.values() for path in folder.iterdir()}
    wrong += [f"{path}: missing or left over" for path in expected ^ found]
    for key, table in (("cases", CASES), ("refused", REFUSED), ("stateful", STATEFUL)):
        for name, construct in table.items():
            if build(name, construct) != (FOLDERS[key] / f"{name}.tflite").read_bytes():
                wrong.append(f"{name}: the model is not the one committed")
    for name, construct in CASES.items():
        model = build(name, construct)
        if judge.golden(model, name in LITERT) != (FOLDERS["cases"] / f"{name}.golden").read_bytes():
            wrong.append(f"{name}: the judge does not give the golden")
        if not oracle_agrees(model, name in LITERT):
            wrong.append(f"{name}: the interpreter differs from the judge")
    for name, construct in STATEFUL.items():
        golden = (FOLDERS["stateful"] / f"{name}.golden").read_bytes()
        if judge.golden(build(name, construct), steps=STEPS) != golden:
            wrong.append(f"{name}: TFLM does not give the golden")
    for name, content in wakeword.answers().items():
        if (wakeword.FOLDER / name).read_bytes() != content:
            wrong.append(f"wakeword/{name}: TFLM does not give it")
    real = MODELS if args.models else ()
    wrong += [
        f"{m}: the interpreter differs from TFLM"
        for m in real
        if not oracle_agrees((args.models / f"{m}.tflite").read_bytes())
    ]
    print(
        "\n".join(wrong) or f"{len(CASES)} generated and {len(real)} published models agree, {len(REFUSED)} to refuse"
    )
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
