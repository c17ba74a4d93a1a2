"""Small models in the operator format: what `quantize_static(quant_format=QuantFormat.QOperator)` makes of
float networks, and integer products with int32 results."""

import numpy as np
from onnxruntime.quantization import QuantFormat, QuantType

from ort_compare import F, I8, U8, Net, Qdq, odd, quantize

MS = "com.microsoft"
INT8 = {"quant_format": QuantFormat.QOperator}
# Weights of 7 bits: where a CPU has AVX2 but no VNNI, ONNX Runtime adds two products of uint8 and int8 in 16 bits
# that saturate, so that full-range weights give results its own definition does not.
UINT8 = dict(INT8, activation=QuantType.QUInt8, reduce_range=True)
# Weights of zero point 128.
UINT8_WEIGHTS = dict(INT8, activation=QuantType.QUInt8, weight=QuantType.QUInt8, WeightSymmetric=True, per_channel=False)


def float_networks(rng):
    for name, how in [("int8", INT8), ("uint8", UINT8), ("uint8_weights", UINT8_WEIGHTS)]:
        n = Net(rng, x=[1, 3, 11, 9])
        y = n.op("Relu", n.conv("x", 6, 3, 3, 3, pads=[1, 1, 1, 1], strides=[2, 2]))
        y = n.op("Relu", n.conv(y, 6, 1, 3, 3, group=6, auto_pad="SAME_UPPER"))
        y = n.conv(y, 8, 3, 2, 3, group=2, dilations=[2, 1])
        yield f"qop_conv_{name}", n.model(y), how

        n = Net(rng, x=[3, 20])
        y = n.op("Relu", n.op("Gemm", "x", n.weights(12, 20), n.weights(12), transB=1))
        y = n.op("Gemm", y, n.constant(rng.standard_normal((12, 9)).astype(np.float32)), n.weights(9), alpha=0.7)
        y = n.op("MatMul", y, n.constant(rng.standard_normal((9, 7)).astype(np.float32)))
        yield f"qop_dense_{name}", n.model(n.op("Softmax", y, axis=-1)), how

    n = Net(rng, x=[1, 6, 5, 5])
    y = n.conv("x", 6, 6, 1, 1)
    gate = n.op("Sigmoid", n.conv(n.op("GlobalAveragePool", y), 6, 6, 1, 1))
    y = n.op("Add", n.op("Mul", y, gate), "x")
    yield "qop_squeeze_excite", n.model(n.op("LeakyRelu", y, alpha=0.1)), UINT8

    n = Net(rng, x=[1, 4, 9, 7])
    y = n.op("MaxPool", n.conv("x", 4, 4, 1, 1), kernel_shape=[3, 2], strides=[1, 1], pads=[1, 0, 1, 1])
    a = n.op("AveragePool", y, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1)
    b = n.op("AveragePool", y, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    y = n.op("Concat", a, b, n.op("Relu", n.conv("x", 2, 4, 1, 1, strides=[2, 2])), axis=1)
    yield "qop_pools_concat", n.model(n.op("GlobalAveragePool", y)), INT8

    n = Net(rng, x=[1, 4, 6, 5])
    a, b = n.op("Split", n.conv("x", 8, 4, 1, 1), n.ints(5, 3), outputs=2, axis=1)
    y = n.op("Pad", b, n.ints(0, 1, 0, 0, 0, 1, 0, 0), n.constant(np.float32(0)))
    y = n.op("Transpose", n.op("Add", a, y), perm=[0, 2, 3, 1])
    y = n.op("Reshape", y, n.ints(1, 30, 5))
    yield "qop_moves", n.model(n.op("Softmax", y, axis=1)), UINT8

    n = Net(rng, x=[2, 5, 3, 2])
    y = n.op("Softmax", n.op("Add", "x", n.weights(5, 1, 2)), axis=1)
    yield "qop_softmax_coerced", n.model(y, opset=11), UINT8


def softmax_of_two_axes(rng):
    """A Softmax of operator set 11 runs over all axes behind its own."""
    n = Qdq(rng)
    x = n.q(n.input("x", F, [2, 5, 3, 2]), 0.04, 120, np.uint8)
    scale, zero = n.constant(odd(0.04)), n.constant(np.uint8(120))
    y = n.op("QLinearSoftmax", x, scale, zero, n.constant(np.float32(1 / 256)), n.constant(np.uint8(0)), axis=2, opset=11, domain=MS)
    return n.model(**{y: U8})


def later_networks(rng):
    n = Net(rng, x=[1, 3, 5, 4])
    y = n.op("Relu", n.conv("x", 4, 3, 1, 1))
    y = n.op("Resize", y, "", n.constant(np.array([1, 1, 2, 3], np.float32)), mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric")
    y = n.op("Gather", n.conv(y, 6, 4, 3, 3), n.ints(5, 0, 2), axis=1)
    y = n.op("Squeeze", n.op("GlobalAveragePool", y), n.ints(2, 3))
    yield "qop_resize_gather", n.model(n.op("Gemm", y, n.weights(5, 3), n.weights(5), transB=1)), INT8


def handmade(rng):
    yield "qop_softmax_opset11", softmax_of_two_axes(rng)

    # Pools that see channels as the last axis, between bare integers.
    n = Qdq(rng)
    x = n.input("x", U8, [1, 9, 8, 5])
    scales = [n.constant(odd(0.02)), n.constant(np.uint8(100)), n.constant(odd(0.017)), n.constant(np.uint8(90))]
    y = n.op("QLinearAveragePool", x, *scales, channels_last=1, kernel_shape=[3, 2], strides=[2, 2], domain=MS)
    z = n.op("QLinearGlobalAveragePool", y, scales[2], scales[3], n.constant(odd(0.013)), n.constant(np.uint8(80)), channels_last=1, domain=MS)
    yield "qop_channels_last", n.model(**{z: U8})

    # Integer products: the scale behind a Cast, bias in int32 and in float, weights with zero points.
    n = Qdq(rng)
    x = n.q(n.input("x", F, [1, 3, 8, 7]), 0.03, 117, np.uint8)
    w = n.constant(rng.integers(0, 256, (4, 3, 3, 3)).astype(np.uint8))
    y = n.op("ConvInteger", x, w, n.constant(np.uint8(117)), n.constant(np.uint8(128)), pads=[1, 0, 1, 0])
    y = n.op("Cast", y, to=F)
    scales = n.op("Mul", n.constant(odd(0.03)), n.constant(odd(0.006)))
    y = n.op("Mul", y, scales)
    bias = n.op("Reshape", n.constant(np.round(rng.standard_normal(4) * 900).astype(np.float32) * np.float32(odd(0.03) * odd(0.006))), n.constant(np.array([1, -1, 1, 1], np.int64)))
    y = n.q(n.op("Relu", n.op("Add", y, bias)), 0.014, 0, np.uint8)
    w = n.constant(rng.integers(-64, 65, (4, 6)).astype(np.int8))
    y = n.op("Transpose", y, perm=[0, 2, 3, 1])
    y = n.op("MatMulInteger", y, w, n.constant(np.uint8(0)))
    y = n.op("Add", y, n.constant(rng.integers(-2000, 2000, 6).astype(np.int32)))
    y = n.op("Mul", n.op("Cast", y, to=F), n.constant(rng.uniform(0.0001, 0.0002, 6).astype(np.float32)))
    yield "qop_integer_products", n.model(**{n.q(y, 0.021, 3): I8})

    # uint8 weights whose zero point is not in the middle: as the operand of a product of two tensors; and weights of a
    # convolution that share a factor.
    n = Qdq(rng)
    x = n.input("x", U8, [1, 3, 8])
    w = n.constant(rng.integers(0, 256, (8, 6)).astype(np.uint8))
    parameters = [odd(0.02), np.uint8(90), w, odd(0.007), np.uint8(97), odd(0.05), np.uint8(131)]
    y = n.op("QLinearMatMul", x, *[p if isinstance(p, str) else n.constant(p) for p in parameters])
    w = n.constant((rng.integers(0, 2, (4, 3, 2)) * 255).astype(np.uint8))
    parameters = [odd(0.05), np.uint8(131), w, odd(0.003), np.uint8(255), odd(0.04), np.uint8(140)]
    y = n.op("QLinearConv", y, *[p if isinstance(p, str) else n.constant(p) for p in parameters])
    yield "qop_lopsided_weights", n.model(**{y: U8})

    # The int32 sums behind a DequantizeLinear; int8 at the boundary, no zero points.
    n = Qdq(rng)
    x = n.input("x", I8, [4, 16])
    y = n.op("MatMulInteger", x, n.constant(rng.integers(-127, 128, (16, 8)).astype(np.int8)))
    y = n.op("DequantizeLinear", y, n.constant(np.float32(0.00037)))
    yield "qop_integer_dequantized", n.model(**{n.q(y, 0.05, -7): I8})


def cases(rng):
    found = [(name, quantize(model, rng, **how)) for name, model, how in float_networks(rng)]
    found += handmade(rng)
    return found + [(name, quantize(model, rng, **how)) for name, model, how in later_networks(rng)]
