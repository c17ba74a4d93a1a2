"""Writes every model of cases.py and what TFLM's reference kernels make of it; see README.md.

python generate.py
"""

import pathlib

import cases_dense  # noqa: F401, adds to the tables
import judge
from builder import Net
from cases import CASES, LITERT, REFUSED
from cases_stateful import STATEFUL, STEPS

HERE = pathlib.Path(__file__).parent
FOLDERS = {"cases": HERE / "models", "refused": HERE / "refused", "stateful": HERE / "stateful"}


def build(name, construct):
    """The model `name` as bytes."""
    net = Net(name)
    return net.finish(construct(net))


def main():
    for folder in FOLDERS.values():
        folder.mkdir(exist_ok=True)
        for stale in folder.iterdir():
            stale.unlink()
    for name, construct in CASES.items():
        model = build(name, construct)
        (FOLDERS["cases"] / f"{name}.tflite").write_bytes(model)
        (FOLDERS["cases"] / f"{name}.golden").write_bytes(judge.golden(model, name in LITERT))
    for name, construct in STATEFUL.items():
        model = build(name, construct)
        (FOLDERS["stateful"] / f"{name}.tflite").write_bytes(model)
        (FOLDERS["stateful"] / f"{name}.golden").write_bytes(judge.golden(model, steps=STEPS))
    for name, construct in REFUSED.items():
        (FOLDERS["refused"] / f"{name}.tflite").write_bytes(build(name, construct))
    print(f"{len(CASES) + len(STATEFUL)} models with goldens, {len(REFUSED)} to refuse")


if __name__ == "__main__":
    main()
