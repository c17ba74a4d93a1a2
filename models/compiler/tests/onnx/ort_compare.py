#!/usr/bin/env python3
"""ONNX Runtime's own tensors, for the importer's test to compare with.

    ort_compare.py generate OUT_DIR          the small models of tests/onnx/cases and their tensors
    ort_compare.py tensors MODEL OUT [N]     tensors of N random inputs (default 8) of any QDQ model

Tensors are written as an ONNX graph that holds nothing but initializers, named "sample/tensor": every
integer tensor that a node of the model writes, and the model's inputs and outputs. Graph optimisations are
disabled, so that each QuantizeLinear rounds. Needs PyPI numpy, onnx 1.19.1, onnxruntime 1.32.
"""

import pathlib
import sys
import tempfile
import zlib

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper, shape_inference
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

F, I8, U8, I32, I64 = (
    TensorProto.FLOAT,
    TensorProto.INT8,
    TensorProto.UINT8,
    TensorProto.INT32,
    TensorProto.INT64,
)
I16 = TensorProto.INT16
INTEGERS = {I8: np.int8, U8: np.uint8, I16: np.int16}
# Which input is the zero point of the result, of operators whose type shape inference does not give.
ZERO_POINT_INPUT = {
    "QuantizeLinear": 2,
    "QLinearConv": 7,
    "QLinearMatMul": 7,
    "QGemm": 8,
    "QLinearAdd": 7,
    "QLinearMul": 7,
    "QLinearSigmoid": 4,
    "QLinearLeakyRelu": 4,
    "QLinearAveragePool": 4,
    "QLinearGlobalAveragePool": 4,
    "QLinearSoftmax": 4,
    "QLinearConcat": 1,
}
# Operators that move integers of whatever type they are given.
SAME_TYPE = {"MaxPool", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Split", "Pad", "Slice", "Identity", "Resize", "Gather"}


def session(model):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])


def fixed_shape(value):
    return [max(d.dim_value, 1) for d in value.type.tensor_type.shape.dim]


def random_input(rng, value, spread):
    kind, shape = value.type.tensor_type.elem_type, fixed_shape(value)
    if kind == F:
        return (rng.standard_normal(shape) * spread).astype(np.float32)
    info = np.iinfo(INTEGERS[kind])
    return rng.integers(info.min, info.max + 1, shape).astype(INTEGERS[kind])


def input_spread(model, name):
    """Half the range that the first QuantizeLinear behind a float input holds."""
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    names = {name}
    for node in model.graph.node:
        if node.input and node.input[0] in names:
            if node.op_type == "QuantizeLinear":
                zero = constants.get(node.input[2]) if len(node.input) > 2 else None
                reach = 16384.0 if zero is not None and zero.dtype == np.int16 else 64.0
                return float(constants[node.input[1]].reshape(-1)[0]) * reach
            names.update(node.output)
    return 1.0


def tensors(model, samples, seed):
    """Runs the model on random inputs and returns every integer tensor of up to 16 bits, input and output."""
    inferred = shape_inference.infer_shapes(model)
    initializers = {t.name for t in model.graph.initializer}
    kinds = {v.name: v.type.tensor_type.elem_type for v in inferred.graph.value_info}
    outputs = [o.name for o in model.graph.output]
    for node in model.graph.node:
        constant = all(i in initializers or not i for i in node.input)
        for output in node.output:
            kind = kinds.get(output)
            if kind is None and node.op_type in ZERO_POINT_INPUT:
                name = (list(node.input) + [""] * 9)[ZERO_POINT_INPUT[node.op_type]]
                zero = next((t for t in model.graph.initializer if t.name == name), None)
                kind = zero.data_type if zero is not None else U8
            if kind is None and node.op_type in SAME_TYPE:
                kind = kinds.get(node.input[0])
            kinds[output] = kind
            if kind in INTEGERS and not constant and output not in outputs:
                outputs.append(output)
                model.graph.output.append(helper.make_tensor_value_info(output, kind, None))
    run = session(model)
    rng = np.random.default_rng(seed)
    inputs = [i for i in model.graph.input if i.name not in initializers]
    found = []
    for sample in range(samples):
        feed = {i.name: random_input(rng, i, input_spread(model, i.name)) for i in inputs}
        arrays = dict(feed)
        arrays.update(zip(outputs, run.run(outputs, feed)))
        for name, array in arrays.items():
            found.append(numpy_helper.from_array(np.ascontiguousarray(array), f"{sample}/{name}"))
    return found


def write_tensors(model_path, out_path, samples, seed):
    found = tensors(onnx.load(model_path), samples, seed)
    graph = helper.make_graph([], "tensors", [], [], initializer=found)
    onnx.save(helper.make_model(graph), out_path)


class Calibration(CalibrationDataReader):
    def __init__(self, model, rng):
        feeds = [{i.name: random_input(rng, i, 1.0) for i in model.graph.input} for _ in range(4)]
        self.feeds = iter(feeds)

    def get_next(self):
        return next(self.feeds, None)


class Net:
    """A float network in the making."""

    def __init__(self, rng, **inputs):
        self.rng, self.nodes, self.constants, self.count = rng, [], [], 0
        self.inputs = [helper.make_tensor_value_info(n, F, s) for n, s in inputs.items()]

    def op(self, kind, *inputs, outputs=1, **attributes):
        self.count += 1
        names = [f"{kind.lower()}{self.count}" + (f"_{i}" if outputs > 1 else "") for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=f"{kind}_{self.count}", **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, array):
        self.count += 1
        self.constants.append(numpy_helper.from_array(np.asarray(array), f"c{self.count}"))
        return f"c{self.count}"

    def weights(self, *shape, gain=1.5):
        fan_in = max(int(np.prod(shape[1:])), 1)
        return self.constant((self.rng.standard_normal(shape) * gain / fan_in**0.5).astype(np.float32))

    def ints(self, *values):
        return self.constant(np.array(values, np.int64))

    def conv(self, x, co, cig, *kernel, **attributes):
        bias = self.constant((self.rng.standard_normal(co) * 0.3).astype(np.float32))
        return self.op("Conv", x, self.weights(co, cig, *kernel), bias, **attributes)

    def model(self, *outputs, opset=13):
        graph = helper.make_graph(
            self.nodes, "g", self.inputs, [helper.make_tensor_value_info(o, F, None) for o in outputs], self.constants
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = 8
        return shape_inference.infer_shapes(model)


def quantize(
    model,
    rng,
    activation=QuantType.QInt8,
    weight=QuantType.QInt8,
    per_channel=True,
    quant_format=QuantFormat.QDQ,
    reduce_range=False,
    **extra,
):
    with tempfile.TemporaryDirectory() as directory:
        source, target = f"{directory}/f.onnx", f"{directory}/q.onnx"
        onnx.save(model, source)
        quantize_static(
            source,
            target,
            Calibration(model, rng),
            quant_format=quant_format,
            reduce_range=reduce_range,
            activation_type=activation,
            weight_type=weight,
            per_channel=per_channel,
            op_types_to_quantize=sorted({node.op_type for node in model.graph.node}),
            extra_options=extra,
        )
        return onnx.load(target)


def odd(scale):
    """A scale near `scale`, of which no product or quotient is a simple fraction: no sum is an exact half."""
    return np.float32(scale**1.01)


class Qdq:
    """A QDQ network written by hand, as tf2onnx and PyTorch's exporters write it."""

    def __init__(self, rng, opset=13):
        self.rng, self.opset, self.nodes, self.constants, self.inputs, self.count = rng, opset, [], [], [], 0

    def name(self, kind):
        self.count += 1
        return f"{kind}{self.count}"

    def input(self, name, kind, shape):
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def constant(self, array):
        name = self.name("c")
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def op(self, kind, *inputs, **attributes):
        name = self.name(kind.lower())
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def q(self, x, scale, zero, kind=np.int8):
        return self.op("QuantizeLinear", x, self.constant(odd(scale)), self.constant(kind(zero)))

    def dq(self, x, scale, zero, kind=np.int8):
        return self.op("DequantizeLinear", x, self.constant(odd(scale)), self.constant(kind(zero)))

    def qdq(self, x, scale, zero, kind=np.int8):
        return self.dq(self.q(x, scale, zero, kind), scale, zero, kind)

    def weights(self, shape, axis=0, low=-127, high=128):
        scales = self.rng.uniform(0.005, 0.02, shape[axis]).astype(np.float32)
        data = self.constant(self.rng.integers(low, high, shape).astype(np.int8))
        zero = self.constant(np.zeros(shape[axis], np.int8))
        return self.op("DequantizeLinear", data, self.constant(scales), zero, axis=axis), scales

    def bias(self, scales, input_scale):
        data = self.rng.integers(-3000, 3000, scales.shape).astype(np.int32)
        zero = self.constant(np.zeros(scales.shape, np.int32))
        scale = self.constant((scales * odd(input_scale)).astype(np.float32))
        return self.op("DequantizeLinear", self.constant(data), scale, zero, axis=0)

    def model(self, **outputs):
        outputs = [helper.make_tensor_value_info(n, k, None) for n, k in outputs.items()]
        graph = helper.make_graph(self.nodes, "g", self.inputs, outputs, self.constants)
        domains = {"": self.opset} | {node.domain: 1 for node in self.nodes if node.domain}
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid(*item) for item in domains.items()])
        model.ir_version = 8
        return shape_inference.infer_shapes(model)


def quantized_cases(rng):
    """Small float networks through quantize_static."""
    U8S8 = {"activation": QuantType.QUInt8}
    U8U8 = {"activation": QuantType.QUInt8, "weight": QuantType.QUInt8}

    n = Net(rng, x=[1, 3, 11, 9])
    y = n.op("Relu", n.conv("x", 5, 3, 3, 3, pads=[1, 1, 1, 1], strides=[2, 2]))
    yield "conv_stride_pad", n.model(n.conv(y, 4, 5, 3, 2, dilations=[2, 2])), {}

    n = Net(rng, x=[1, 6, 7, 8])
    y = n.op("Clip", n.conv("x", 8, 3, 3, 3, group=2, auto_pad="SAME_UPPER", strides=[2, 1]), n.constant(np.float32(0)), n.constant(np.float32(1.5)))
    yield "conv_groups_same_upper_clip", n.model(n.conv(y, 4, 8, 2, 4, auto_pad="SAME_LOWER")), U8S8

    n = Net(rng, x=[1, 5, 8, 8])
    y = n.op("Relu", n.conv("x", 10, 1, 3, 3, group=5, pads=[0, 0, 1, 1], strides=[2, 2]))
    yield "depthwise_multiplier", n.model(n.conv(y, 10, 1, 3, 3, group=10, pads=[1, 1, 1, 1])), {}

    n = Net(rng, x=[1, 3, 40])
    y = n.op("Relu", n.conv("x", 6, 3, 5, strides=[2], pads=[2, 2]))
    y = n.op("Relu", n.conv(y, 6, 1, 3, group=6, dilations=[3]))
    y = n.op("AveragePool", y, kernel_shape=[3], strides=[2])
    y = n.op("MaxPool", y, kernel_shape=[2], strides=[2])
    yield "conv1d_pools", n.model(n.op("GlobalAveragePool", n.conv(y, 4, 6, 1))), U8S8

    n = Net(rng, x=[1, 20])
    y = n.op("Relu", n.op("Gemm", "x", n.weights(12, 20), n.weights(12), transB=1))
    y = n.op("Gemm", y, n.constant(rng.standard_normal((12, 5)).astype(np.float32)), n.weights(5))
    yield "gemm_softmax", n.model(n.op("Softmax", y, axis=-1)), {"per_channel": False}

    n = Net(rng, x=[2, 7, 10])
    y = n.op("MatMul", "x", n.constant(rng.standard_normal((10, 6)).astype(np.float32)))
    y = n.op("Add", y, n.weights(6))
    yield "matmul_rank3_add", n.model(n.op("ReduceMean", y, axes=[1], keepdims=0)), {}

    n = Net(rng, x=[1, 4, 6, 6])
    a = n.op("Relu", n.conv("x", 4, 4, 3, 3, pads=[1, 1, 1, 1]))
    y = n.op("Relu", n.op("Add", n.conv(a, 4, 4, 1, 1), a))
    yield "residual_add", n.model(n.op("Sub", y, n.conv(a, 4, 4, 1, 1))), {}

    n = Net(rng, x=[1, 6, 5, 5])
    y = n.conv("x", 6, 6, 1, 1)
    gate = n.op("Sigmoid", n.conv(n.op("GlobalAveragePool", y), 6, 6, 1, 1))
    yield "squeeze_excite", n.model(n.op("Mul", y, gate)), U8S8

    n = Net(rng, x=[1, 3, 4, 4])
    for kind, attributes in [("Sigmoid", {}), ("LeakyRelu", {"alpha": 0.1}), ("Tanh", {}), ("HardSwish", {}), ("Elu", {}), ("HardSigmoid", {})]:
        n.op("Add", "x" if n.count == 0 else last, n.constant(np.float32(0.3)))
        last = n.op(kind, n.nodes[-1].output[0], **attributes)
    yield "functions", n.model(last, opset=17), {}

    n = Net(rng, x=[1, 4, 9, 7])
    y = n.op("MaxPool", n.conv("x", 4, 4, 1, 1), kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1], ceil_mode=1)
    yield "max_pool_ceil", n.model(n.op("GlobalMaxPool", y)), {}

    n = Net(rng, x=[1, 4, 9, 7])
    y = n.op("AveragePool", n.conv("x", 4, 4, 1, 1), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1)
    yield "average_pool_include_pad", n.model(y), {}

    n = Net(rng, x=[2, 5, 4, 3])
    y = n.conv("x", 5, 5, 1, 1)
    y = n.op("ReduceMean", y, n.ints(1, -1), keepdims=0)
    yield "reduce_mean_batch", n.model(y, opset=18), {}

    n = Net(rng, x=[1, 6, 3, 4])
    yield "softmax_channels", n.model(n.op("Softmax", n.conv("x", 6, 6, 1, 1), axis=1)), U8S8

    n = Net(rng, x=[1, 3, 6, 6])
    y = n.op("Pad", n.conv("x", 4, 3, 1, 1), n.ints(0, 0, 1, 2, 0, 0, 2, 1), n.constant(np.float32(0)))
    yield "pad_conv", n.model(n.conv(y, 4, 4, 3, 3)), {}

    n = Net(rng, x=[1, 3, 6, 5])
    a, b = n.conv("x", 3, 3, 1, 1), n.op("Relu", n.conv("x", 5, 3, 1, 1))
    yield "concat_scales", n.model(n.conv(n.op("Concat", a, b, "x", axis=1), 4, 11, 3, 3)), {}

    n = Net(rng, x=[1, 6, 5, 8])
    a, b = n.op("Split", n.conv("x", 6, 6, 1, 1), n.ints(2, 4), outputs=2, axis=1)
    b = n.op("Slice", b, n.ints(-1, 1), n.ints(-6, 8), n.ints(1, 3), n.ints(-2, 3))
    yield "split_slice", n.model(n.op("Add", a, n.op("ReduceMean", b, axes=[2, 3])), b), {}

    n = Net(rng, x=[1, 3, 5, 4])
    y = n.op("Flatten", n.op("Relu", n.conv("x", 6, 3, 2, 2)))
    yield "flatten_gemm", n.model(n.op("Gemm", y, n.weights(7, 72), n.weights(7), transB=1)), {}

    n = Net(rng, x=[1, 4, 6, 5])
    y = n.op("Reshape", n.conv("x", 8, 4, 1, 1), n.ints(0, 2, 4, -1))
    y = n.op("Transpose", y, perm=[0, 2, 1, 3])
    y = n.op("Reshape", y, n.ints(1, 8, 6, 5))
    yield "channel_shuffle", n.model(n.conv(y, 4, 4, 3, 3, group=2)), {}

    n = Net(rng, x=[1, 4, 1, 6])
    y = n.op("Squeeze", n.conv("x", 4, 4, 1, 3), n.ints(2))
    y = n.op("Unsqueeze", n.op("Transpose", y, perm=[0, 2, 1]), n.ints(0))
    y = n.op("Expand", y, n.ints(1, 3, 1, 1))
    yield "squeeze_expand", n.model(n.op("Relu", n.op("Mul", y, n.weights(3, 1, 4)))), U8S8

    n = Net(rng, x=[1, 3, 6, 6])
    y = n.op("Relu", n.conv("x", 4, 3, 3, 3))
    yield "uint8_weights", n.model(n.conv(y, 4, 4, 3, 3)), dict(U8U8, WeightSymmetric=True, per_channel=False)

    n = Net(rng, a=[1, 4, 5], b=[1, 4, 1])
    s = n.op("Mul", "a", "b")
    yield "two_inputs_outputs", n.model(s, n.op("Sub", "b", s)), {}

    n = Net(rng, x=[1, 3, 8, 8])
    y = n.op("Transpose", n.op("Relu", n.conv("x", 6, 3, 3, 3, strides=[2, 2])), perm=[0, 2, 3, 1])
    y = n.op("Reshape", y, n.ints(1, 9, 6))
    y = n.op("MatMul", y, n.constant(rng.standard_normal((6, 5)).astype(np.float32)))
    yield "opset21_tokens", n.model(n.op("Softmax", y, axis=1), opset=21), {}


FUNCTIONS = [
    ("Relu", {}),
    ("LeakyRelu", {"alpha": 0.17}),
    ("ThresholdedRelu", {"alpha": 0.3}),
    ("HardSigmoid", {}),
    ("HardSigmoid", {"alpha": 0.31, "beta": 0.4}),
    ("HardSwish", {}),
    ("Sigmoid", {}),
    ("Tanh", {}),
    ("Elu", {"alpha": 0.8}),
    ("Celu", {"alpha": 1.3}),
    ("Selu", {}),
    ("Softplus", {}),
    ("Softsign", {}),
    ("Mish", {}),
    ("Gelu", {}),
    ("Gelu", {"approximate": "tanh"}),
    ("Erf", {}),
    ("Exp", {}),
    ("Sin", {}),
    ("Cos", {}),
    ("Abs", {}),
    ("Neg", {}),
    ("Floor", {}),
    ("Ceil", {}),
    ("Round", {}),
    ("Sign", {}),
]


def handmade_cases(rng):
    """QDQ networks as other exporters write them."""
    # tf2onnx: int8 in NHWC, Transpose, explicit Relu, AveragePool at one scale, MatMul + Add, int8 out.
    n = Qdq(rng)
    x = n.op("Transpose", n.input("x", I8, ["batch", 9, 6, 2]), perm=[0, 3, 1, 2])
    w, s = n.weights([4, 2, 3, 3])
    y = n.op("Relu", n.op("Conv", n.dq(x, 0.05, 11), w, n.bias(s, 0.05), pads=[1, 1, 1, 1]))
    y = n.qdq(y, 0.021, -128)
    y = n.q(n.op("AveragePool", y, kernel_shape=[9, 3], strides=[9, 3]), 0.021, -128)
    y = n.dq(n.op("Reshape", y, n.constant(np.array([-1, 8], np.int64))), 0.021, -128)
    w = n.op("DequantizeLinear", n.constant(rng.integers(-127, 128, (8, 3)).astype(np.int8)), n.constant(np.float32(0.01)), n.constant(np.int8(0)))
    y = n.op("Add", n.op("MatMul", y, w), n.bias(np.full(3, 0.01, np.float32), 0.021))
    y = n.op("Softmax", n.qdq(y, 0.03, 20))
    y = n.q(y, 1 / 256, -128)
    yield "tf2onnx_style", n.model(**{y: I8})

    # PyTorch: float weights behind Q and DQ, a Transpose behind them, SiLU without a Q inside.
    n = Qdq(rng, opset=17)
    x = n.qdq(n.input("x", F, [1, 4, 10]), 0.03, -3)
    w = n.constant((rng.standard_normal((6, 10)) * 0.3).astype(np.float32))
    w = n.op("QuantizeLinear", w, n.constant(np.float32(0.007)), n.constant(np.int8(0)))
    w = n.op("DequantizeLinear", w, n.constant(np.float32(0.007)), n.constant(np.int8(0)))
    y = n.qdq(n.op("MatMul", x, n.op("Transpose", w, perm=[1, 0])), 0.024, 5)
    y = n.qdq(n.op("Mul", y, n.op("Sigmoid", y)), 0.017, -120)
    yield "pytorch_style_silu", n.model(**{y: F})

    # A pool whose windows hold 2 to 9 taps; another scale behind it, so that no sum lies at an exact half.
    n = Qdq(rng, opset=19)
    x = n.dq(n.input("x", I8, [1, 4, 9, 8]), 0.02, 5)
    y = n.op("AveragePool", x, kernel_shape=[3, 3], strides=[2, 3], pads=[1, 1, 0, 1], ceil_mode=1)
    y = n.q(y, 0.0137, -3)
    yield "average_pool_ceil", n.model(**{y: I8})

    # Every function of one value, over every int8.
    n = Qdq(rng, opset=20)
    n.input("x", I8, [1, 1024])
    found = {}
    for i, (kind, attributes) in enumerate(FUNCTIONS):
        y = n.op(kind, n.dq("x", 0.013 + 0.003 * (i % 5), 7 * i % 30 - 15), **attributes)
        found[n.q(y, 0.011 + 0.002 * (i % 7), 5 * i % 40 - 20)] = I8
    yield "every_function", n.model(**found)

    # Arithmetic with scalars, and of a tensor with itself.
    n = Qdq(rng)
    x = n.dq(n.input("x", U8, [2, 500]), 0.017, 120, np.uint8)
    found = {}
    for i, kind in enumerate(["Add", "Sub", "Mul", "Div", "Min", "Max"]):
        scalar = n.constant(np.float32(0.37 + i))
        if i % 2:
            scalar = n.dq(n.constant(np.array([[i * 9 + 20]], np.uint8)), 0.021, 3, np.uint8)
        y = n.op(kind, *([x, scalar] if i % 3 else [scalar, x]))
        found[n.q(y, 0.029 + 0.01 * i, 100, np.uint8)] = U8
    found[n.q(n.op("Pow", n.op("Mul", x, x), n.constant(np.float32(0.5))), 0.02, 0, np.uint8)] = U8
    yield "scalar_arithmetic", n.model(**found)

    # PyTorch: a shape computed from the input's, and a flatten across more than one axis.
    n = Qdq(rng, opset=17)
    x = n.qdq(n.input("x", F, [1, 3, 6, 4]), 0.02, 0)
    w, s = n.weights([5, 3, 3, 2])
    y = n.qdq(n.op("Relu", n.op("Conv", x, w, n.bias(s, 0.02))), 0.017, -128)
    batch = n.op("Gather", n.op("Shape", y), n.constant(np.array(0, np.int64)), axis=0)
    batch = n.op("Unsqueeze", batch, n.constant(np.array([0], np.int64)))
    shape = n.op("Concat", batch, n.constant(np.array([-1], np.int64)), axis=0)
    y = n.qdq(n.op("Reshape", y, shape), 0.017, -128)
    w, s = n.weights([60, 6], axis=1)
    y = n.op("Gemm", y, w, n.bias(s, 0.017))
    yield "computed_shape", n.model(**{n.qdq(y, 0.02, 4): F})

    # Requantizations: another scale, another type, a clamp at the output's own scale.
    n = Qdq(rng)
    x = n.dq(n.input("x", U8, [1, 300]), 0.02, 100, np.uint8)
    y = n.dq(n.q(x, 0.031, 17), 0.031, 17)
    y = n.dq(n.q(n.op("Relu", y), 0.012, 3, np.uint8), 0.012, 3, np.uint8)
    z = n.op("Relu", y)
    u = n.q(y, 0.05, 128, np.uint8)
    yield "requantize_types", n.model(**{z: F, u: U8})

    # Moves on bare integers, and on floats between DQ and Q; border that is no value of the tensor.
    n = Qdq(rng, opset=19)
    x = n.op("Slice", n.input("x", U8, [1, 3, 6, 6]), *[n.constant(np.array(v, np.int64)) for v in ([5], [-7], [2], [-1])])
    x = n.op("MaxPool", x, kernel_shape=[2, 2], strides=[1, 1])
    y = n.dq(x, 0.02, 100, np.uint8)
    y = n.op("Pad", y, n.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64)), n.constant(np.float32(0.333)))
    y = n.qdq(n.op("Transpose", y, perm=[0, 2, 3, 1]), 0.025, 90, np.uint8)
    y = n.op("Gather", y, n.constant(np.array(1, np.int64)), axis=3)
    z = n.q(n.op("Concat", y, n.op("Relu", y), axis=2), 0.03, -7)
    yield "moves_in_float", n.model(**{z: I8})

    # Whole-range weights with -128, bias by Add on a Conv, Gemm with alpha and transA.
    n = Qdq(rng)
    x = n.qdq(n.input("x", F, [1, 2, 5, 5]), 0.02, 7)
    w, s = n.weights([3, 2, 2, 2], low=-128)
    bias = n.constant(rng.integers(-900, 900, (1, 3, 1, 1)).astype(np.int32))
    bias = n.op("DequantizeLinear", bias, n.constant((s * odd(0.02)).astype(np.float32)), n.constant(np.zeros(3, np.int32)), axis=1)
    y = n.qdq(n.op("Max", n.op("Add", n.op("Conv", x, w), bias), n.constant(np.float32(-0.4))), 0.011, -9)
    y = n.op("Reshape", y, n.constant(np.array([3, 16], np.int64)))
    w, s = n.weights([3, 4], axis=1)
    y = n.qdq(n.op("Gemm", y, w, n.bias(s * np.float32(0.5), 0.011), transA=1, alpha=0.5), 0.007, 1)
    yield "bias_by_add_gemm_alpha", n.model(**{y: F})


def give_shapes(model):
    """Gives outputs behind operators that shape inference does not know the shapes they are found to have."""
    if all(output.type.tensor_type.HasField("shape") for output in model.graph.output):
        return
    feed = {i.name: random_input(np.random.default_rng(0), i, 1.0) for i in model.graph.input}
    for output, array in zip(model.graph.output, session(model).run(None, feed)):
        output.CopyFrom(helper.make_tensor_value_info(output.name, output.type.tensor_type.elem_type, array.shape))


def generate(directory):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20240607)
    cases = [(name, quantize(model, rng, **how)) for name, model, how in quantized_cases(rng)]
    cases += list(handmade_cases(rng))
    import qoperator_cases

    cases += qoperator_cases.cases(np.random.default_rng(20240608))
    counted = len(cases)
    import dense_cases
    import i16_cases
    import norm_cases
    import selection_cases

    cases += dense_cases.cases(np.random.default_rng(20240609))
    cases += selection_cases.cases(np.random.default_rng(20240611))
    cases += norm_cases.cases(np.random.default_rng(20240612))
    cases += i16_cases.cases(np.random.default_rng(20240612))
    for i, (name, model) in enumerate(cases):
        path = directory / f"{name}.onnx"
        for part in (model, model.graph):
            del part.metadata_props[:]
        give_shapes(model)
        onnx.checker.check_model(model)
        onnx.save(model, path)
        # By name, so that a new case changes no other; the older ones were counted.
        seed = i if i < counted else zlib.crc32(name.encode())
        write_tensors(path, directory / f"{name}.tensors.onnx", 2, seed)
    size = sum(p.stat().st_size for p in directory.iterdir())
    print(f"{len(cases)} models, {size} bytes in {directory}")


def main(arguments):
    match arguments:
        case ["generate", directory]:
            generate(directory)
        case ["tensors", model, out, *samples]:
            write_tensors(model, out, int(samples[0]) if samples else 8, 1)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
