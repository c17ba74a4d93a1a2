"""Makes `models/`: small float models with samples, for the tests of the command. Needs numpy and onnx.

    python models.py
"""

from pathlib import Path

import numpy as np
import onnx
import onnx.reference
from onnx import TensorProto, helper, numpy_helper

OUT = Path(__file__).parent / "models"
CLASSES = 3


def save(name, nodes, inputs, outputs, constants):
    ports = [[helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in side] for side in (inputs, outputs)]
    initializers = [numpy_helper.from_array(value, key) for key, value in constants.items()]
    graph = helper.make_graph(nodes, name, *ports, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="tanbo-tests")
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, OUT / f"{name}.onnx")
    return model


def classes(random):
    """A convolution and three classes, channels first; labels are the model's own but for every eighth."""
    constants = {
        "kernel": random.normal(size=(4, 2, 3, 3)).astype(np.float32),
        "bias": random.normal(size=4).astype(np.float32),
        "weights": random.normal(size=(CLASSES, 4)).astype(np.float32),
        "offsets": np.zeros(CLASSES, np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "kernel", "bias"], ["sums"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["sums"], ["positive"], name="relu"),
        helper.make_node("GlobalAveragePool", ["positive"], ["means"], name="pool"),
        helper.make_node("Flatten", ["means"], ["flat"], name="flatten"),
        helper.make_node("Gemm", ["flat", "weights", "offsets"], ["scores"], name="dense", transB=1),
    ]
    model = save("classes", nodes, [("x", [1, 2, 4, 6])], [("scores", [1, CLASSES])], constants)
    # Eighths keep the files small.
    x = np.round(random.normal(size=(64, 2, 4, 6)) * 8).astype(np.float32) / 8
    run = onnx.reference.ReferenceEvaluator(model).run
    labels = np.array([run(None, {"x": sample[None]})[0].argmax() for sample in x])
    labels[::8] = (labels[::8] + 1) % CLASSES
    np.savez_compressed(OUT / "calibrate.npz", x=x[:32])
    np.savez_compressed(OUT / "test.npz", x=x[32:], labels=labels[32:])


def two(random):
    """Two inputs of one shape: their order matters."""
    nodes = [helper.make_node("Sub", ["a", "b"], ["difference"], name="sub")]
    save("two", nodes, [("a", [1, 4]), ("b", [1, 4])], [("difference", [1, 4])], {})


def refused():
    """Two operators that are not read, one that is."""
    nodes = [
        helper.make_node("LpNormalization", ["x"], ["unit"], name="unit", axis=-1),
        helper.make_node("Relu", ["unit"], ["positive"], name="relu"),
        helper.make_node("Hardmax", ["positive"], ["picked"], name="pick"),
    ]
    save("refused", nodes, [("x", [1, 4])], [("picked", [1, 4])], {})


def main():
    OUT.mkdir(exist_ok=True)
    random = np.random.default_rng(5)
    classes(random)
    two(random)
    refused()


if __name__ == "__main__":
    main()
