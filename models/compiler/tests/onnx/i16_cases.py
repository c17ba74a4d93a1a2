"""Small models with int16 activations and int8 weights: through `quantize_static` and written by hand."""

import numpy as np
from onnxruntime.quantization import QuantType

from ort_compare import F, I8, I16, Net, Qdq, odd, quantize

WIDE = {"activation": QuantType.QInt16, "ActivationSymmetric": True, "WeightSymmetric": True}


def float_networks(rng):
    n = Net(rng, x=[1, 3, 9, 8])
    y = n.op("Relu", n.conv("x", 6, 3, 3, 3, pads=[1, 1, 1, 1], strides=[2, 2]))
    y = n.op("Relu", n.conv(y, 6, 1, 3, 3, group=6, pads=[1, 1, 1, 1]))
    y = n.op("Flatten", n.op("GlobalAveragePool", n.conv(y, 5, 6, 1, 1)))
    y = n.op("Gemm", y, n.weights(4, 5), n.weights(4), transB=1)
    yield "i16_separable", n.model(n.op("Softmax", y, axis=-1), opset=21), WIDE

    # Before operator set 21 the quantizer writes Microsoft's QuantizeLinear.
    n = Net(rng, x=[1, 4, 6, 6])
    a = n.op("Relu", n.conv("x", 4, 4, 3, 3, pads=[1, 1, 1, 1]))
    y = n.op("Relu", n.op("Add", n.conv(a, 4, 4, 1, 1), a))
    yield "i16_residual_msft", n.model(n.op("Sub", y, n.conv(a, 4, 4, 1, 1)), opset=17), WIDE

    n = Net(rng, x=[1, 6, 5, 5])
    y = n.conv("x", 6, 6, 1, 1)
    gate = n.op("Sigmoid", n.conv(n.op("GlobalAveragePool", y), 6, 6, 1, 1))
    yield "i16_squeeze_excite", n.model(n.op("Mul", y, gate), opset=21), WIDE

    n = Net(rng, x=[2, 7, 10])
    y = n.op("MatMul", "x", n.constant(rng.standard_normal((10, 6)).astype(np.float32)))
    y = n.op("Add", y, n.weights(6))
    yield "i16_matmul_reduce_mean", n.model(n.op("ReduceMean", y, n.ints(1), keepdims=0), opset=21), WIDE


def wide(n, x, scale):
    return n.q(x, scale, 0, np.int16)


def functions():
    """Functions of one value, at scales where a few entries are enough for lines, and where many are needed."""
    n = Qdq(None, opset=21)
    x = n.dq(n.input("x", F, [1, 3, 40, 25]) and wide(n, "x", 0.00025), 0.00025, 0, np.int16)
    found = {}
    for kind, scale in [("Sigmoid", 1 / 32768), ("Tanh", 1 / 32768), ("Relu", 0.00025), ("Exp", 0.1), ("HardSigmoid", 1 / 32768),
                        ("Softplus", 0.0003)]:
        found[wide(n, n.op(kind, x), scale)] = I16
    found[wide(n, n.op("LeakyRelu", x, alpha=0.1), 0.00025)] = I16
    found[wide(n, n.op("Clip", x, n.constant(np.float32(-1)), n.constant(np.float32(6))), 0.0002)] = I16
    found[n.q(x, 0.07, 3)] = I8
    return n.model(**found)


def arithmetic():
    n = Qdq(None, opset=21)
    a = n.dq(wide(n, n.input("a", F, [2, 5, 12, 7]), 0.0003), 0.0003, 0, np.int16)
    b = n.dq(wide(n, n.input("b", F, [2, 1, 12, 7]), 0.0002), 0.0002, 0, np.int16)
    found = {}
    for kind, scale in [("Add", 0.0005), ("Sub", 0.00041), ("Mul", 0.0019), ("Max", 0.00031), ("Min", 0.00031)]:
        found[wide(n, n.op(kind, a, b), scale)] = I16
    c = n.dq(n.constant(np.array([-128, -3, 0, 60, 127], np.int8).reshape(5, 1, 1)), 0.05, 2)
    found[wide(n, n.op("Add", a, c), 0.0007)] = I16
    d = n.dq(n.constant(np.array([-32768, -3, 0, 600, 32767], np.int16).reshape(5, 1, 1)), 0.0001, 0, np.int16)
    found[wide(n, n.op("Mul", a, d), 0.0013)] = I16
    return n.model(**found)


def pools_and_moves(rng):
    n = Qdq(rng, opset=21)
    x = n.dq(wide(n, n.input("x", F, [2, 4, 9, 8]), 0.0003), 0.0003, 0, np.int16)
    found = {
        wide(n, n.op("AveragePool", x, kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 0]), 0.00021): I16,
        wide(n, n.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 1], pads=[1, 1, 1, 1]), 0.0003): I16,
        wide(n, n.op("ReduceMean", x, n.constant(np.array([2, 3], np.int64)), keepdims=0), 0.00005): I16,
        wide(n, n.op("Softmax", x, axis=-1), 1 / 32768): I16,
        wide(n, n.op("Softmax", x, axis=1), 1 / 32768): I16,
        wide(n, n.op("Transpose", x, perm=[0, 2, 3, 1]), 0.0003): I16,
    }
    pads = n.constant(np.array([0, 0, 1, 2, 0, 0, 2, 1], np.int64))
    padded = n.op("Pad", x, pads, n.constant(np.float32(0)))
    found[wide(n, n.op("Concat", padded, padded, axis=1), 0.0003)] = I16
    return n.model(**found)


def both_widths(rng):
    """int8 layers, one of 16 bits between them; large biases."""
    n = Qdq(rng, opset=21)
    x = n.qdq(n.input("x", F, [1, 3, 6, 7]), 0.02, -4)
    w, s = n.weights([4, 3, 3, 3])
    y = n.qdq(n.op("Conv", x, w, n.bias(s, 0.02)), 0.03, 5)
    y = n.qdq(y, 0.00013, 0, np.int16)
    w, s = n.weights([5, 4, 1, 1])
    bias = n.constant(rng.integers(-(10**8), 10**8, 5).astype(np.int32))
    bias = n.op("DequantizeLinear", bias, n.constant((s * odd(0.00013)).astype(np.float32)), n.constant(np.zeros(5, np.int32)), axis=0)
    y = n.qdq(n.op("Conv", y, w, bias), 0.0004, 0, np.int16)
    return n.model(**{n.dq(n.q(y, 0.05, 1), 0.05, 1): F})


def cases(rng):
    made = [(name, quantize(model, rng, **how)) for name, model, how in float_networks(rng)]
    made += [("i16_functions", functions()), ("i16_arithmetic", arithmetic())]
    return made + [("i16_pools_and_moves", pools_and_moves(rng)), ("i16_both_widths", both_widths(rng))]
