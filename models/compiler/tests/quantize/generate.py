"""Small float models of every operator that is taken from float, and ONNX Runtime's answers for them.

    python generate.py cases

Each case is `<name>.onnx`; `answers.onnx` is a graph of nothing but initializers, `case/sample/tensor`. Deterministic.
"""

import pathlib
import sys

import numpy as np
import onnx
import onnx.shape_inference
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

SAMPLES = 6
CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


class Graph:
    """A float graph under construction: one input per `input`, weights from the case's own generator."""

    def __init__(self, name, opset=17):
        self.rng = np.random.default_rng(sum(map(ord, name)) * 7919)
        self.nodes, self.constants, self.inputs, self.outputs = [], [], [], []
        self.opset, self.ranges = opset, {}

    def input(self, shape, name="x", low=-2.0, high=3.0):
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        self.ranges[name] = (low, high, shape)
        return name

    def weights(self, *shape, scale=1.0):
        return self.constant((self.rng.normal(size=shape) * scale).astype(np.float32))

    def positive(self, *shape):
        return self.constant(self.rng.uniform(0.3, 2.0, size=shape).astype(np.float32))

    def constant(self, value):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def op(self, kind, *inputs, outputs=1, **attributes):
        names = [f"t{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=f"{kind}_{len(self.nodes)}", **attributes))
        return names[0] if outputs == 1 else names

    def output(self, *names):
        self.outputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]

    def model(self):
        graph = helper.make_graph(self.nodes, "case", self.inputs, self.outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], producer_name="generate.py")
        model.ir_version = 8 if self.opset < 23 else 11
        model = onnx.shape_inference.infer_shapes(model)
        del model.graph.value_info[:]
        onnx.checker.check_model(model)
        return model

    def samples(self):
        draw = lambda low, high, shape: self.rng.uniform(low, high, size=shape).astype(np.float32)
        return [{name: draw(*of) for name, of in self.ranges.items()} for _ in range(SAMPLES)]


@case
def conv(g):
    x = g.input([1, 3, 6, 5])
    g.output(g.op("Relu", g.op("Conv", x, g.weights(4, 3, 3, 3, scale=0.3), g.weights(4), pads=[1, 1, 1, 1])))


@case
def conv_forms(g):
    x = g.input([1, 4, 7, 6])
    g.output(
        g.op("Conv", x, g.weights(2, 4, 3, 3, scale=0.3), strides=[2, 2], auto_pad="SAME_UPPER"),
        g.op("Conv", x, g.weights(4, 2, 2, 2, scale=0.4), g.weights(4), group=2),
        g.op("Conv", x, g.weights(8, 1, 3, 3, scale=0.3), g.weights(8), group=4, pads=[1, 1, 1, 1]),
        g.op("Conv", x, g.weights(3, 4, 2, 2, scale=0.3), dilations=[2, 2]),
        g.op("Clip", g.op("Conv", x, g.weights(3, 4, 1, 1)), g.constant(np.float32(0)), g.constant(np.float32(6))),
    )


@case
def conv_one_axis(g):
    x = g.input([1, 3, 12])
    g.output(g.op("Relu", g.op("Conv", x, g.weights(5, 3, 4, scale=0.3), g.weights(5), pads=[2, 1], strides=[2])))


@case
def conv_transpose(g):
    x = g.input([1, 3, 4, 4])
    g.output(
        g.op("ConvTranspose", x, g.weights(3, 2, 3, 3, scale=0.3), g.weights(2), strides=[2, 2], pads=[1, 1, 1, 1]),
        g.op("Relu", g.op("ConvTranspose", x, g.weights(3, 4, 2, 2, scale=0.3), strides=[2, 2])),
    )


@case
def gemm(g):
    x = g.input([1, 9])
    y = g.op("Relu", g.op("Gemm", x, g.weights(7, 9, scale=0.3), g.weights(7), transB=1))
    g.output(g.op("Gemm", y, g.weights(7, 4, scale=0.3), g.weights(1, 4), alpha=0.5, beta=2.0))


@case
def matmul_add(g):
    x = g.input([1, 4, 6])
    y = g.op("Relu", g.op("Add", g.op("MatMul", x, g.weights(6, 5, scale=0.4)), g.weights(5)))
    flat = g.op("Reshape", y, g.constant(np.array([1, -1], np.int64)))
    g.output(g.op("Add", g.weights(3), g.op("MatMul", flat, g.weights(20, 3, scale=0.3))))


@case
def matmul_of_two(g):
    x = g.input([1, 2, 4, 6])
    a = g.op("MatMul", x, g.op("Transpose", x, perm=[0, 1, 3, 2]))
    g.output(g.op("MatMul", g.op("Softmax", a, axis=-1), x))


@case
def batch_norm_folded(g):
    x = g.input([1, 3, 5, 5])
    norm = lambda y, c: g.op("BatchNormalization", y, g.positive(c), g.weights(c), g.weights(c), g.positive(c))
    y = g.op("Relu", norm(g.op("Conv", x, g.weights(4, 3, 3, 3, scale=0.3)), 4))
    y = g.op("Relu", norm(g.op("ConvTranspose", y, g.weights(4, 2, 2, 2, scale=0.3), g.weights(2)), 2))
    y = g.op("Flatten", y)
    g.output(norm(g.op("Gemm", y, g.weights(32, 5, scale=0.2), g.weights(5)), 5))


@case
def batch_norm_alone(g):
    x = g.input([1, 3, 5, 4])
    norm = lambda y, c: g.op("BatchNormalization", y, g.positive(c), g.weights(c), g.weights(c), g.positive(c))
    y = g.op("Relu", norm(x, 3))
    z = g.op("Conv", y, g.weights(4, 3, 3, 3, scale=0.3), pads=[1, 1, 1, 1])
    g.output(norm(g.op("GlobalAveragePool", z), 4))


@case
def batch_norm_two_axes(g):
    x = g.input([1, 6])
    g.output(g.op("BatchNormalization", x, g.positive(6), g.weights(6), g.weights(6), g.positive(6)))


@case
def per_channel_arithmetic(g):
    x = g.input([1, 3, 5, 5], low=0, high=255)
    mean = g.constant(np.array([124.0, 116.0, 104.0], np.float32).reshape(1, 3, 1, 1))
    scale = g.constant(np.array([58.0, 57.0, 57.5], np.float32).reshape(1, 3, 1, 1))
    y = g.op("Div", g.op("Sub", x, mean), scale)
    y = g.op("Conv", y, g.weights(4, 3, 3, 3, scale=0.3), pads=[1, 1, 1, 1])
    y = g.op("Mul", y, g.positive(4, 1, 1))
    y = g.op("Add", g.weights(1, 4, 1, 1), y)
    y = g.op("Relu", g.op("Mul", y, g.constant(np.float32(0.5))))
    g.output(g.op("Sub", g.op("Conv", y, g.weights(2, 4, 1, 1)), g.weights(2, 1, 1)))


@case
def folded_constants(g):
    x = g.input([1, 8])
    w = g.op("Transpose", g.weights(5, 8, scale=0.3), perm=[1, 0])
    b = g.op("Mul", g.op("Reshape", g.weights(5, 1), g.constant(np.array([-1], np.int64))), g.constant(np.float32(2)))
    y = g.op("Identity", g.op("Dropout", g.op("Relu", g.op("Add", g.op("MatMul", x, w), b))))
    g.output(g.op("Identity", g.op("Gemm", y, g.weights(5, 3, scale=0.4))))


@case
def padded(g):
    x = g.input([1, 2, 5, 5])
    pads = g.constant(np.array([0, 0, 1, 2, 0, 0, 1, 0], np.int64))
    y = g.op("Relu", g.op("Conv", g.op("Pad", x, pads), g.weights(3, 2, 3, 3, scale=0.4), pads=[0, 0, 1, 1]))
    value = g.constant(np.float32(0.5))
    g.output(g.op("Pad", y, g.constant(np.array([0, 0, 1, 1, 0, 0, 0, 2], np.int64)), value))


@case
def transposes(g):
    x = g.input([1, 5, 4, 3])
    y = g.op("Transpose", x, perm=[0, 3, 1, 2])
    y = g.op("Relu", g.op("Conv", y, g.weights(4, 3, 3, 3, scale=0.3), pads=[1, 1, 1, 1]))
    y = g.op("Transpose", g.op("Transpose", y, perm=[0, 2, 3, 1]), perm=[0, 3, 1, 2])
    y = g.op("Conv", y, g.weights(2, 4, 1, 1, scale=0.5))
    g.output(g.op("Transpose", y, perm=[0, 2, 3, 1]))


@case
def residual(g):
    x = g.input([1, 4, 4, 4])
    a = g.op("Relu", g.op("Conv", x, g.weights(4, 4, 3, 3, scale=0.2), g.weights(4), pads=[1, 1, 1, 1]))
    b = g.op("Conv", a, g.weights(4, 4, 3, 3, scale=0.2), g.weights(4), pads=[1, 1, 1, 1])
    y = g.op("Relu", g.op("Add", a, b))
    g.output(g.op("Add", y, g.op("Sigmoid", y)), b)


@case
def pools(g):
    x = g.input([1, 3, 6, 6])
    axes = g.constant(np.array([2, 3], np.int64))
    g.output(
        g.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]),
        g.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        g.op("AveragePool", x, kernel_shape=[3, 2], strides=[1, 2]),
        g.op("AveragePool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
        g.op("GlobalAveragePool", x),
        g.op("GlobalMaxPool", x),
        g.op("ReduceMean", x, axes=[2, 3], keepdims=0),
        g.op("ReduceSum", x, axes, keepdims=1),
        g.op("ReduceMax", x, axes=[1], keepdims=1),
        g.op("ReduceMin", x, axes=[3], keepdims=0),
    )


FUNCTIONS = """LeakyRelu HardSigmoid HardSwish Sigmoid Tanh Elu Celu Selu Softplus Softsign Mish Erf Exp Sin Cos Abs Neg
Floor Ceil Round Sign Relu ThresholdedRelu Atan Asinh Sinh Cosh Shrink""".split()


@case
def functions(g):
    g.opset = 20
    x = g.input([1, 2, 8], low=-4.0, high=4.0)
    y = [g.op(kind, x) for kind in FUNCTIONS]
    y += [g.op("Gelu", x), g.op("Gelu", x, approximate="tanh"), g.op("PRelu", x, g.constant(np.float32([0.2])))]
    g.output(*y)


@case
def functions_of_positives(g):
    x = g.input([1, 2, 8], low=0.5, high=4.0)
    g.output(*(g.op(kind, x) for kind in ("Sqrt", "Log", "Reciprocal")))


@case
def functions_of_units(g):
    x = g.input([1, 2, 8], low=-0.9, high=0.9)
    g.output(*(g.op(kind, x) for kind in ("Asin", "Acos", "Atanh", "Tan")))


@case
def functions_beyond_one(g):
    x = g.input([1, 2, 8], low=1.2, high=4.0)
    g.output(g.op("Acosh", x))


@case
def quotients(g):
    x, y = g.input([1, 3, 4, 4]), g.input([1, 3, 1, 4], name="y", low=0.5, high=2.0)
    g.output(g.op("Div", x, y))


@case
def arithmetic(g):
    x, y = g.input([1, 3, 4, 4]), g.input([1, 3, 1, 4], name="y", low=-1.0, high=1.5)
    two = g.constant(np.float32(2.0))
    g.output(
        *(g.op(kind, x, y) for kind in ("Add", "Sub", "Mul", "Min", "Max")),
        g.op("Div", x, two),
        g.op("Pow", x, two),
        g.op("Sub", two, x),
        g.op("Min", x, two),
        g.op("Max", y, g.constant(np.float32(0.1))),
        g.op("Add", x, g.weights(4, 4)),
        g.op("Mul", g.weights(1, 3, 4, 1), x),
        g.op("Mul", x, g.op("Sigmoid", x)),
    )


@case
def moves(g):
    x = g.input([1, 4, 6, 4])
    ints = lambda *v: g.constant(np.array(v, np.int64))
    shape = g.op("Shape", x)
    first = g.op("Gather", shape, ints(0), axis=0)
    wanted = g.op("Concat", first, ints(-1), axis=0)
    parts = g.op("Split", x, ints(1, 3), outputs=2, axis=1)
    low = g.op("Relu", x)
    g.output(
        g.op("Reshape", x, wanted),
        g.op("Flatten", x, axis=2),
        g.op("Squeeze", x, ints(0)),
        g.op("Unsqueeze", x, ints(1)),
        g.op("Slice", x, ints(1, 0), ints(4, 6), ints(1, 2), ints(1, 2)),
        g.op("Gather", x, ints(3, 0, 1), axis=1),
        g.op("Gather", x, g.constant(np.array(2, np.int64)), axis=2),
        g.op("Expand", g.op("GlobalAveragePool", x), ints(1, 4, 2, 3)),
        g.op("Concat", parts[1], parts[0], low, axis=1),
        g.op("Tile", x, ints(1, 1, 2, 1)),
        g.op("DepthToSpace", x, blocksize=2),
        g.op("SpaceToDepth", x, blocksize=2),
        g.op("Cast", g.op("Transpose", x, perm=[0, 2, 1, 3]), to=TensorProto.FLOAT),
        g.op("Pad", x, ints(0, 0, 1, 0, 0, 0, 1, 1)),
        g.op("Pad", x, ints(0, 0, 1, 1, 0, 0, 1, 1), mode="reflect"),
    )


@case
def resize(g):
    x = g.input([1, 2, 4, 3])
    scales = g.constant(np.array([1, 1, 2, 2], np.float32))
    plain = dict(coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    g.output(
        g.op("Resize", x, "", scales, mode="nearest", **plain),
        g.op("Resize", x, "", scales, mode="linear", coordinate_transformation_mode="half_pixel"),
    )


@case
def normalizations(g):
    g.opset = 23
    x = g.input([1, 4, 12])
    g.output(
        g.op("LayerNormalization", x, g.positive(12), g.weights(12)),
        g.op("RMSNormalization", x, g.positive(12)),
    )


@case
def softmax(g):
    x = g.input([1, 10], low=-5.0, high=5.0)
    g.output(g.op("Softmax", g.op("Gemm", x, g.weights(10, 6, scale=0.4)), axis=-1))


@case
def old_operator_set(g):
    g.opset = 10
    x = g.input([1, 3, 6, 6])
    y = g.op("Clip", g.op("Conv", x, g.weights(4, 3, 3, 3, scale=0.3)), min=0.0, max=6.0)
    y = g.op("Pad", y, pads=[0, 0, 1, 0, 0, 0, 0, 1], value=0.25)
    y = g.op("Squeeze", g.op("ReduceMean", y, axes=[2], keepdims=1), axes=[2])
    parts = g.op("Split", y, outputs=2, axis=1, split=[1, 3])
    y = g.op("Unsqueeze", g.op("Concat", *parts, axis=1), axes=[3])
    y = g.op("ReduceSum", y, axes=[3], keepdims=0)
    g.output(g.op("Softmax", g.op("Flatten", y), axis=1))


@case
def shared_weights(g):
    x = g.input([1, 3, 4, 4])
    w, b = g.weights(3, 3, 1, 1, scale=0.5), g.weights(3)
    y = g.op("Relu", g.op("Conv", x, w, b))
    g.output(g.op("Conv", y, w, b))


@case
def uneven_channels(g):
    """Channels of very different sizes between two products, a dead one, and one with tiny weights."""
    x = g.input([1, 4, 5, 5])
    w = g.rng.normal(size=(6, 4, 3, 3)).astype(np.float32) * 0.2
    w *= np.array([30, 1, 0.05, 4, 0, 1e-12], np.float32).reshape(6, 1, 1, 1)
    y = g.op("Relu", g.op("Conv", x, g.constant(w), g.weights(6, scale=0.01), pads=[1, 1, 1, 1]))
    v = g.rng.normal(size=(3, 6, 1, 1)).astype(np.float32)
    v /= np.array([30, 1, 0.05, 4, 1, 1], np.float32).reshape(1, 6, 1, 1)
    g.output(g.op("Conv", y, g.constant(v), g.weights(3)))


@case
def lstm(g):
    x = g.input([6, 1, 5])
    weights = g.weights(1, 32, 5, scale=0.4), g.weights(1, 32, 8, scale=0.3), g.weights(1, 64, scale=0.1)
    y, _ = g.op("LSTM", x, *weights, outputs=2, hidden_size=8)
    g.output(g.op("Squeeze", y, g.constant(np.array([1]))))


@case
def gru(g):
    x = g.input([6, 1, 5])
    weights = g.weights(1, 24, 5, scale=0.4), g.weights(1, 24, 8, scale=0.3), g.weights(1, 48, scale=0.1)
    y, _ = g.op("GRU", x, *weights, outputs=2, hidden_size=8, linear_before_reset=1)
    g.output(g.op("Squeeze", y, g.constant(np.array([1]))))


def run(model, feed):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feed)))


def main(folder):
    folder = pathlib.Path(folder)
    answers = []
    for name, build in CASES.items():
        g = Graph(name)
        build(g)
        model = g.model()
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
        for i, feed in enumerate(g.samples()):
            for tensor, value in {**feed, **run(model, feed)}.items():
                answers.append(numpy_helper.from_array(np.ascontiguousarray(value), f"{name}/{i}/{tensor}"))
    graph = helper.make_graph([], "answers", [], [], answers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    (folder / "answers.onnx").write_bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main(sys.argv[1])
