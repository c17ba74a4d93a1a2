"""Models with int4 filters, transposed convolutions and batched matrix products."""

import numpy as np
from builder import ACTIVATION, SAME, VALID, fb, pair, window
from cases import case, refused


def filters(n, x, shape, axis, bits=4, per_channel=True, bias=True, depth=1, gain=1.0, extreme=False, wide=False):
    """Filter, bias (or None) and output scale. `wide`: biases of 64 bits, for int16 activations."""
    channels, low, high = shape[axis], -(1 << bits - 1), (1 << bits - 1) - 1
    data = n.rng.choice([low, high], shape) if extreme else n.rng.integers(low, high + 1, shape)
    scales = n.rng.uniform(0.002, 0.02, channels if per_channel else 1).astype(np.float32) * (1 << 8 - bits)
    w = n.tensor(shape, "i4" if bits == 4 else "i8", scale=scales, data=data, axis=axis)
    b = None
    if bias:
        values = n.rng.integers(-4 * depth << bits, 4 * depth << bits, channels)
        if wide:
            values = values * 200
        b = n.tensor((channels,), "i64" if wide else "i32", np.float32(x.scale) * scales, data=values)
    return w, b, float(x.scale * scales.mean() * 50 * depth**0.5) / (1 << 8 - bits) * gain


def conv4(n, x, channels, kernel, stride=1, padding=SAME, dilation=1, act=None, bias=True, groups=1, **how):
    """CONV_2D with an int4 filter."""
    (kh, kw), (sh, sw), (dh, dw) = pair(kernel), pair(stride), pair(dilation)
    b, h, w, c = x.shape
    taps, biases, scale = filters(n, x, (channels, kh, kw, c // groups), 0, depth=kh * kw * c // groups, bias=bias, **how)
    shape = (b, window(h, kh, sh, dh, padding), window(w, kw, sw, dw, padding), channels)
    options = fb.Conv2DOptionsT(padding, sw, sh, ACTIVATION[act], dw, dh)
    return n.op("CONV_2D", [x, taps] + [biases] * bias, [shape], options, scale=scale, zero_point=5)


def depthwise4(n, x, kernel, multiplier=1, stride=1, padding=SAME, dilation=1, act=None, bias=True, **how):
    """DEPTHWISE_CONV_2D with an int4 filter."""
    (kh, kw), (sh, sw), (dh, dw) = pair(kernel), pair(stride), pair(dilation)
    b, h, w, c = x.shape
    taps, biases, scale = filters(n, x, (1, kh, kw, c * multiplier), 3, depth=kh * kw, bias=bias, **how)
    shape = (b, window(h, kh, sh, dh, padding), window(w, kw, sw, dw, padding), c * multiplier)
    options = fb.DepthwiseConv2DOptionsT(padding, sw, sh, multiplier, ACTIVATION[act], dw, dh)
    return n.op("DEPTHWISE_CONV_2D", [x, taps] + [biases] * bias, [shape], options, scale=scale, zero_point=-7)


def dense4(n, x, units, act=None, bias=True, per_channel=False, **how):
    """FULLY_CONNECTED with an int4 filter."""
    depth = x.shape[-1]
    taps, biases, scale = filters(n, x, (units, depth), 0, depth=depth, bias=bias, per_channel=per_channel, **how)
    options = fb.FullyConnectedOptionsT(ACTIVATION[act], 0, len(x.shape) > 2)
    return n.op("FULLY_CONNECTED", [x, taps, biases], [(*x.shape[:-1], units)], options, scale=scale, zero_point=9)


case("conv4_1x1", lambda n: conv4(n, n.input(1, 4, 5, 6), 7, 1))
case("conv4_3x3_same", lambda n: conv4(n, n.input(1, 5, 7, 3), 4, 3))
case("conv4_3x3_valid_stride2", lambda n: conv4(n, n.input(1, 8, 7, 2), 5, 3, stride=2, padding=VALID, act="relu"))
case("conv4_odd_weights", lambda n: conv4(n, n.input(1, 4, 3, 1), 3, 3))
case("conv4_dilation_groups", lambda n: conv4(n, n.input(1, 7, 6, 4), 6, 3, dilation=2, groups=2))
case("conv4_per_tensor_no_bias", lambda n: conv4(n, n.input(1, 4, 4, 5), 3, (1, 3), bias=False, per_channel=False))
case("conv4_extreme_weights", lambda n: conv4(n, n.input(2, 5, 5, 4, zero_point=-128), 4, 3, extreme=True))
case("conv4_saturating", lambda n: conv4(n, n.input(1, 5, 4, 3), 4, 3, gain=0.05))
case("depthwise4_3x3_same", lambda n: depthwise4(n, n.input(1, 6, 5, 4), 3))
case("depthwise4_odd_weights", lambda n: depthwise4(n, n.input(1, 5, 4, 3), 3, act="relu6"))
case("depthwise4_multiplier_stride2", lambda n: depthwise4(n, n.input(1, 9, 8, 2), (5, 4), multiplier=3, stride=2))
case("depthwise4_dilation_no_bias", lambda n: depthwise4(n, n.input(1, 7, 8, 3), 3, dilation=2, bias=False))
case("depthwise4_extreme_weights", lambda n: depthwise4(n, n.input(2, 4, 3, 3, zero_point=127), 3, extreme=True))
case("dense4_per_tensor", lambda n: dense4(n, n.input(1, 20), 7))
case("dense4_odd_rows", lambda n: dense4(n, n.input(3, 17), 5, act="relu"))
case("dense4_saturating", lambda n: dense4(n, n.input(1, 21), 6, gain=0.05))
refused("dense4_per_channel", lambda n: dense4(n, n.input(1, 21), 6, per_channel=True))
case("dense4_one_weight", lambda n: dense4(n, n.input(2, 1), 1))
case("dense4_one_unit_odd", lambda n: dense4(n, n.input(2, 9), 1, gain=3.0))
case("dense4_no_bias_keep_dims", lambda n: dense4(n, n.input(1, 3, 6), 5, bias=False))
case("dense4_extreme_weights", lambda n: dense4(n, n.input(1, 64, zero_point=-128), 12, extreme=True))
case("net_int4", lambda n: dense4(n, n.mean(depthwise4(n, conv4(n, n.input(1, 6, 6, 3), 5, 3, act="relu"), 3), [1, 2], False, 0.4), 4))


def transpose_conv(
    n, x, channels, kernel, stride=1, padding=SAME, bias=True, act=None, size=None, per_channel=True, gain=1.0,
    extreme=False, bits=8, version=1, output_shape=None, zero_point=5,
):
    """TRANSPOSE_CONV: output extents are input · stride (SAME), (input − 1) · stride + kernel (VALID), or `size`."""
    (kh, kw), (sh, sw) = pair(kernel), pair(stride)
    b, h, w, c = x.shape
    wide = x.dtype == "i16"
    taps, biases, scale = filters(
        n, x, (channels, kh, kw, c), 0, bits, per_channel, bias, max(1, kh * kw * c // (sh * sw)), gain, extreme, wide
    )
    extent = [(i * s if padding == SAME else (i - 1) * s + k) for i, s, k in zip((h, w), (sh, sw), (kh, kw))]
    shape = (b, *(size or extent), channels)
    options = fb.TransposeConvOptionsT(padding, sw, sh, ACTIVATION[act])
    sizes = n.ints(shape) if output_shape is None else output_shape
    zero_point = 0 if wide else zero_point
    return n.op("TRANSPOSE_CONV", [sizes, taps, x] + [biases] * bias, [shape], options, x.dtype, scale, zero_point)


def up(name, build):
    case(f"transpose_conv_{name}", build)


up("2x2_stride2", lambda n: transpose_conv(n, n.input(1, 3, 4, 3), 4, 2, 2))
up("3x3_same", lambda n: transpose_conv(n, n.input(1, 4, 5, 2), 3, 3))
up("3x3_same_stride2", lambda n: transpose_conv(n, n.input(1, 3, 4, 3), 4, 3, 2))
up("3x3_valid_stride2", lambda n: transpose_conv(n, n.input(1, 3, 4, 3), 4, 3, 2, VALID))
up("4x4_same_stride2", lambda n: transpose_conv(n, n.input(1, 3, 5, 2), 5, 4, 2))
up("5x3_valid_stride_3x2", lambda n: transpose_conv(n, n.input(1, 3, 4, 2), 3, (5, 3), (3, 2), VALID))
up("stride_over_kernel", lambda n: transpose_conv(n, n.input(1, 3, 3, 2), 3, 2, 3, VALID, size=(9, 9)))
up("1x1_stride2", lambda n: transpose_conv(n, n.input(1, 3, 4, 3), 2, 1, 2))
up("1d", lambda n: transpose_conv(n, n.input(1, 1, 9, 3), 4, (1, 5), (1, 3)))
up("odd_size", lambda n: transpose_conv(n, n.input(1, 3, 4, 3), 4, 3, 2, SAME, size=(5, 7)))
up("valid_larger", lambda n: transpose_conv(n, n.input(1, 3, 2, 3), 2, 3, 2, VALID, size=(8, 6)))
up("no_bias", lambda n: transpose_conv(n, n.input(1, 3, 4, 3), 4, 3, 2, bias=False))
up("per_tensor", lambda n: transpose_conv(n, n.input(1, 3, 4, 3), 4, 3, 2, per_channel=False))
up("relu", lambda n: transpose_conv(n, n.input(1, 3, 4, 3), 4, 3, 2, act="relu"))
up("relu6", lambda n: transpose_conv(n, n.input(2, 3, 4, 3), 4, 3, 2, act="relu6", gain=0.4))
up("batch2", lambda n: transpose_conv(n, n.input(2, 3, 2, 3), 4, 3, 2))
up("extreme", lambda n: transpose_conv(n, n.input(1, 3, 4, 8, zero_point=-128), 4, 3, 1, extreme=True, zero_point=127))
up("saturating", lambda n: transpose_conv(n, n.input(1, 3, 4, 3, zero_point=127), 4, 3, 2, gain=0.05, zero_point=-128))
up("one_pixel", lambda n: transpose_conv(n, n.input(1, 1, 1, 1), 1, 4, 3, VALID))


def batch_matmul(n, a, b, adj_x=False, adj_y=False, scale=None, zero_point=4, gain=1.0):
    """BATCH_MATMUL of [.., m, k] and [.., k, n], or transposed as told."""
    (m, k), (_, o) = (a.shape[-2:][:: -1 if adj_x else 1], b.shape[-2:][:: -1 if adj_y else 1])
    shape = (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), m, o)
    scale = scale or float(a.scale * b.scale * (75 if a.dtype == "i8" else 19000) * 1.3 * k**0.5) * gain
    options = fb.BatchMatMulOptionsT(adj_x, adj_y)
    return n.op("BATCH_MATMUL", [a, b], [shape], options, a.dtype, scale, 0 if a.dtype == "i16" else zero_point)


def matmul(name, a, b, **how):
    """A case of two inputs of these shapes."""
    case(
        f"batch_matmul_{name}",
        lambda n: batch_matmul(n, n.input(*a), n.input(*b, scale=0.031, zero_point=11), **how),
    )


matmul("2d", (3, 5), (5, 4))
matmul("3d", (2, 3, 5), (2, 5, 4))
matmul("adj_x", (2, 5, 3), (2, 5, 4), adj_x=True)
matmul("adj_y", (2, 3, 5), (2, 4, 5), adj_y=True)
matmul("adj_both", (2, 5, 3), (2, 4, 5), adj_x=True, adj_y=True)
matmul("4d_heads", (1, 2, 6, 4), (1, 2, 6, 4), adj_y=True)
matmul("5d", (2, 1, 2, 3, 4), (2, 1, 2, 4, 3))
matmul("broadcast_left", (1, 3, 5), (4, 5, 2))
matmul("broadcast_right", (4, 3, 5), (1, 5, 2))
matmul("broadcast_rank", (5, 4), (3, 2, 4, 2))
matmul("broadcast_rank_right", (3, 2, 5, 4), (4, 2))
matmul("broadcast_both_ways", (2, 1, 3, 4), (1, 3, 4, 2))
matmul("broadcast_right_adj_x", (4, 5, 3), (1, 5, 2), adj_x=True)
matmul("vector", (1, 1, 7), (1, 7, 1))
matmul("depth_one", (2, 4, 1), (2, 1, 3))
matmul("saturating", (2, 3, 8), (2, 8, 3), gain=0.05)
case(
    "batch_matmul_constant_right",
    lambda n: batch_matmul(n, n.input(2, 3, 5), n.constant(2, 5, 4)),
)
case(
    "batch_matmul_constant_left",
    lambda n: batch_matmul(n, n.constant(2, 3, 5), n.input(2, 5, 4)),
)
case(
    "batch_matmul_extreme",
    lambda n: batch_matmul(n, n.input(1, 4, 33, zero_point=-128), n.input(1, 33, 4, zero_point=127)),
)
case("batch_matmul_itself", lambda n: batch_matmul(n, x := n.input(2, 4, 5), x, adj_y=True))
case("net_attention", lambda n: attention(n))


def attention(n):
    """Scaled dot products of two heads: softmax(q k^T) v."""
    x = n.input(1, 6, 8)
    q, k, v = [
        n.transpose(n.reshape(n.dense(x, 8, keep_dims=True), (1, 6, 2, 4)), [0, 2, 1, 3]) for _ in range(3)
    ]
    weights = n.softmax(batch_matmul(n, q, k, adj_y=True))
    mixed = batch_matmul(n, weights, v, scale=v.scale, zero_point=v.zero_point)
    return n.dense(n.reshape(n.transpose(mixed, [0, 2, 1, 3]), (1, 6, 8)), 5, keep_dims=True)


# 16-bit activations: zero point 0, biases of 64 bits.


def wide(n, *shape, scale=0.0007):
    return n.input(*shape, dtype="i16", scale=scale, zero_point=0)


up("i16_2x2_stride2", lambda n: transpose_conv(n, wide(n, 1, 3, 4, 3), 4, 2, 2))
up("i16_3x3_same_stride2", lambda n: transpose_conv(n, wide(n, 1, 3, 4, 3), 4, 3, 2))
up("i16_valid_per_tensor", lambda n: transpose_conv(n, wide(n, 1, 4, 3, 5), 3, (3, 2), (1, 2), VALID, per_channel=False))
up("i16_relu", lambda n: transpose_conv(n, wide(n, 2, 3, 3, 2), 4, 3, 2, act="relu"))
up("i16_extreme", lambda n: transpose_conv(n, wide(n, 1, 3, 3, 8), 4, 3, 1, extreme=True, gain=2.0))
up("i16_no_bias", lambda n: transpose_conv(n, wide(n, 1, 3, 4, 3), 4, 3, 2, bias=False))


def matmul16(name, a, b, **how):
    case(f"batch_matmul_i16_{name}", lambda n: batch_matmul(n, wide(n, *a), wide(n, *b, scale=0.0004), **how))


matmul16("2d", (3, 5), (5, 4))
matmul16("adj_x", (2, 5, 3), (2, 5, 4), adj_x=True)
matmul16("adj_y", (2, 3, 5), (2, 4, 5), adj_y=True)
matmul16("broadcast", (2, 1, 3, 4), (1, 3, 4, 2))
matmul16("deep", (2, 70), (70, 3))
matmul16("saturating", (2, 3, 8), (2, 8, 3), gain=0.05)
matmul16("upscaled", (4, 3), (3, 5), scale=0.000004)
case(
    "batch_matmul_i16_constant",
    lambda n: batch_matmul(
        n, wide(n, 2, 3, 5), n.tensor((5, 4), "i16", 0.0003, data=n.rng.integers(-32768, 32768, (5, 4)))
    ),
)


# TFLM has no kernels for these, or takes the shape from the output instead of the operand.
refused(
    "transpose_conv_shape_from_input",
    lambda n: transpose_conv(n, n.input(1, 3, 3, 2), 2, 2, 2, output_shape=n.input(4, dtype="i32", scale=None)),
)
refused("transpose_conv_other_shape", lambda n: transpose_conv(n, n.input(1, 3, 3, 2), 2, 2, 2, output_shape=n.ints([1, 6, 7, 2])))
refused("transpose_conv_int4", lambda n: transpose_conv(n, n.input(1, 3, 3, 2), 2, 2, 2, bits=4))
refused("conv4_i16", lambda n: conv4(n, n.input(1, 3, 3, 2, dtype="i16", zero_point=0), 2, 3, bias=False))
refused("batch_matmul_six_axes", lambda n: batch_matmul(n, n.input(1, 1, 1, 1, 2, 3), n.input(1, 1, 1, 1, 3, 2)))
refused("batch_matmul_two_types", lambda n: batch_matmul(n, n.input(2, 3), wide(n, 3, 2)))
