"""Models with 16-bit activations and 8-bit weights, as cases.py has those of 8 bits."""

from builder import SAME, VALID, fb
from cases import case, refused

POOL = {"average": "AVERAGE_POOL_2D", "max": "MAX_POOL_2D"}


def wide(name, build):
    case(f"i16_{name}", build)


# Convolutions. A bias of 64 bits makes accumulators of 64 bits; one of 32 bits, or none, accumulators of 32.
wide("conv_1x1", lambda n: n.conv(n.input_i16(1, 4, 5, 6), 7, 1))
wide("conv_3x3_same", lambda n: n.conv(n.input_i16(1, 5, 7, 3), 4, 3))
wide("conv_3x3_valid_stride2", lambda n: n.conv(n.input_i16(1, 8, 6, 3), 4, 3, stride=2, padding=VALID))
wide("conv_per_tensor", lambda n: n.conv(n.input_i16(1, 5, 5, 2), 4, 3, per_channel=False))
wide("conv_dilation2", lambda n: n.conv(n.input_i16(1, 7, 6, 2), 3, 3, dilation=2))
wide("conv_groups", lambda n: n.conv(n.input_i16(1, 5, 4, 6), 4, 3, groups=2))
wide("conv_relu", lambda n: n.conv(n.input_i16(1, 5, 4, 3), 4, 3, act="relu"))
wide("conv_relu6", lambda n: n.conv(n.input_i16(1, 5, 4, 3), 4, 3, act="relu6", scale=0.0005))
wide("conv_relu_n1_to_1", lambda n: n.conv(n.input_i16(1, 5, 4, 3), 4, 3, act="relu_n1_to_1", scale=0.001))
wide("conv_saturates", lambda n: n.conv(n.input_i16(1, 5, 4, 3), 4, 3, gain=0.1))
wide("conv_extreme_weights", lambda n: n.conv(n.input_i16(2, 4, 4, 8), 5, 3, extreme=True))
wide("conv_coarse_output", lambda n: n.conv(n.input_i16(1, 4, 4, 3), 4, 3, gain=300.0))
wide("conv_fine_output", lambda n: n.conv(n.input_i16(1, 4, 4, 3, scale=2.0), 4, 1, scale=0.0003))
wide("conv_deep", lambda n: n.conv(n.input_i16(1, 2, 2, 200), 3, 2, padding=VALID))
wide("conv_no_bias", lambda n: n.conv(n.input_i16(1, 5, 7, 3), 4, 3, bias=False))
wide("conv_bias_i32", lambda n: n.conv(n.input_i16(1, 5, 7, 3), 4, 3, bias="i32"))
wide("conv_bias_i32_per_tensor_relu", lambda n: n.conv(n.input_i16(1, 6, 4, 2), 4, 3, bias="i32", per_channel=False, act="relu"))
wide("conv_1x5", lambda n: n.conv(n.input_i16(1, 1, 21, 2), 5, (1, 5), stride=(1, 2)))

wide("depthwise_3x3", lambda n: n.depthwise(n.input_i16(1, 6, 5, 4), 3))
wide("depthwise_multiplier", lambda n: n.depthwise(n.input_i16(1, 5, 5, 2), 3, multiplier=3, stride=2, padding=VALID))
wide("depthwise_per_tensor_relu", lambda n: n.depthwise(n.input_i16(1, 5, 4, 3), (3, 2), per_channel=False, act="relu"))
wide("depthwise_dilation", lambda n: n.depthwise(n.input_i16(1, 8, 8, 2), 3, dilation=2))
wide("depthwise_no_bias", lambda n: n.depthwise(n.input_i16(2, 4, 4, 3), 3, bias=False))

wide("dense", lambda n: n.dense(n.input_i16(1, 33), 7))
wide("dense_no_bias", lambda n: n.dense(n.input_i16(3, 20), 5, bias=False))
wide("dense_relu", lambda n: n.dense(n.input_i16(2, 12), 6, act="relu"))
wide("dense_per_channel", lambda n: n.dense(n.input_i16(2, 12), 6, per_channel=True))
wide("dense_keep_dims", lambda n: n.dense(n.input_i16(1, 3, 4, 10), 6, keep_dims=True))
wide("dense_deep", lambda n: n.dense(n.input_i16(1, 900), 3))
wide("dense_saturates", lambda n: n.dense(n.input_i16(1, 40), 9, gain=0.02))

# Pools and means.
for kind, name in POOL.items():
    wide(f"{kind}_pool_2x2", lambda n, p=name: n.pool(p, n.input_i16(1, 6, 4, 3), 2, 2))
    wide(f"{kind}_pool_3x3_same", lambda n, p=name: n.pool(p, n.input_i16(1, 5, 7, 2), 3, 2, SAME))
    wide(f"{kind}_pool_relu6", lambda n, p=name: n.pool(p, n.input_i16(1, 5, 5, 2, scale=0.0004), 3, 1, act="relu6"))
wide("average_pool_global", lambda n: n.pool("AVERAGE_POOL_2D", n.input_i16(1, 16, 16, 2), 16))
wide("mean_rows_columns", lambda n: n.mean(n.input_i16(1, 5, 7, 3), [1, 2], False))
wide("mean_rescaled", lambda n: n.mean(n.input_i16(2, 6, 5), [1], True, 0.0001))
wide("mean_channels", lambda n: n.mean(n.input_i16(1, 3, 4, 30), [3]))
wide("mean_all", lambda n: n.mean(n.input_i16(3, 200), [0, 1], False, 0.00005))

# Elementwise.
for name in ("ADD", "SUB"):
    low = name.lower()
    wide(f"{low}_same_shape", lambda n, o=name: n.binary(o, n.input_i16(1, 5, 6), n.input_i16(1, 5, 6, scale=0.0005), scale=0.0006))
    wide(f"{low}_broadcast", lambda n, o=name: n.binary(o, n.input_i16(2, 3, 4), n.input_i16(3, 1, scale=0.001), scale=0.001))
    wide(f"{low}_relu", lambda n, o=name: n.binary(o, n.input_i16(1, 40), n.input_i16(1, 40, scale=0.0003), "relu", 0.0002))
wide("add_constant", lambda n: n.binary("ADD", n.input_i16(1, 4, 6), n.constant_i16(6), scale=0.0003))
wide("add_far_scales", lambda n: n.binary("ADD", n.input_i16(1, 40), n.input_i16(1, 40, scale=0.1), scale=0.11))
wide("mul_same_shape", lambda n: n.binary("MUL", n.input_i16(1, 5, 6), n.input_i16(1, 5, 6), scale=0.0013))
wide("mul_broadcast_relu6", lambda n: n.binary("MUL", n.input_i16(2, 3, 4), n.input_i16(4), "relu6", 0.0004))
wide("mul_fine", lambda n: n.binary("MUL", n.input_i16(1, 40, scale=0.01), n.input_i16(1, 40, scale=0.01), scale=0.00011))
wide("relu", lambda n: n.unary("RELU", n.input_i16(1, 60)))
wide("relu_rescaled", lambda n: n.unary("RELU", n.input_i16(1, 60), None, 0.00007))
wide("relu6", lambda n: n.unary("RELU6", n.input_i16(1, 60, scale=0.0003)))
wide("leaky_relu", lambda n: n.leaky_relu(n.input_i16(1, 200), 0.1))
wide("leaky_relu_rescaled", lambda n: n.leaky_relu(n.input_i16(1, 200), 0.37, 0.00013))
wide("leaky_relu_alpha_above_one", lambda n: n.leaky_relu(n.input_i16(1, 200), 1.5))

# Functions: inputs within and beyond the tables, scales that are powers of two and others.
for name in ("logistic", "tanh"):
    for kind, scale in (("", 0.0004), ("_narrow", 0.00001), ("_wide", 0.003), ("_very_wide", 2.5), ("_q12", 2**-12), ("_q11", 2**-11)):
        wide(f"{name}{kind}", lambda n, f=name, s=scale: getattr(n, f)(n.input_i16(1, 300, scale=s)))
wide("softmax", lambda n: n.softmax(n.input_i16(1, 12, scale=0.0003)))
wide("softmax_rows", lambda n: n.softmax(n.input_i16(40, 5, scale=0.0001)))
wide("softmax_beta", lambda n: n.softmax(n.input_i16(2, 3, 4, 5, scale=0.0007), 0.3))
wide("softmax_wide", lambda n: n.softmax(n.input_i16(6, 9, scale=0.01)))
wide("softmax_narrow", lambda n: n.softmax(n.input_i16(6, 9, scale=0.00001)))
wide("softmax_pairs", lambda n: n.softmax(n.input_i16(150, 2, scale=0.00013)))
wide("softmax_one_class", lambda n: n.softmax(n.input_i16(4, 1)))
wide("softmax_many_classes", lambda n: n.softmax(n.input_i16(1, 700, scale=0.00005)))

# Data movement.
wide("pad", lambda n: n.pad(n.input_i16(1, 3, 4, 2), [(0, 0), (1, 2), (0, 3), (0, 0)]))
wide("padv2", lambda n: n.pad(n.input_i16(1, 3, 4, 2), [(0, 0), (1, 1), (2, 0), (0, 1)], -7777))
wide("concat", lambda n: n.concat([n.input_i16(1, 3, 2), n.constant_i16(1, 3, 4, scale=0.0002)], 2))
wide("split", lambda n: n.split(n.input_i16(1, 3, 4, 6), 3, 3))
wide("split_v", lambda n: n.split_v(n.input_i16(1, 3, 7, 2), [2, 4, 1], 2))
wide("slice", lambda n: n.slice(n.input_i16(1, 5, 6, 4), [0, 1, 2, 1], [1, 3, -1, 2]))
wide(
    "strided_slice",
    lambda n: n.strided_slice(n.input_i16(1, 6, 5, 3), [0, 5, -1, 2], [1, 0, -6, -4], [1, -2, -1, -2], (1, 3, 5, 2)),
)
wide("reshape", lambda n: n.reshape(n.input_i16(1, 24), (1, 2, 3, 4)))
wide("squeeze", lambda n: n.squeeze(n.input_i16(1, 5, 1, 4), [2]))
wide("expand_dims", lambda n: n.expand_dims(n.input_i16(2, 7), -1))
wide("transpose", lambda n: n.transpose(n.input_i16(1, 3, 4, 5), [0, 3, 1, 2]))
wide("broadcast_to", lambda n: n.broadcast_to(n.input_i16(2, 1, 5), (2, 3, 5)))
wide("pack", lambda n: n.pack([n.input_i16(2, 3), n.input_i16(2, 3)], -1))
wide("unpack", lambda n: n.unpack(n.input_i16(3, 2, 2), 0))

# Nets.
wide("net_residual", lambda n: residual(n))
wide("net_separable", lambda n: separable(n))
wide("net_float_boundary", lambda n: float_boundary(n))
wide("net_both_widths", lambda n: both_widths(n))
wide("net_gate", lambda n: gate(n))


def residual(n):
    x = n.conv(n.input_i16(1, 6, 6, 3), 4, 3, act="relu")
    y = n.conv(n.conv(x, 4, 3, act="relu", bias="i32"), 4, 3)
    return n.unary("RELU", n.binary("ADD", x, y, scale=y.scale * 1.5))


def separable(n):
    x = n.conv(n.input_i16(1, 9, 9, 1), 4, 3, stride=2, act="relu6", scale=6 / 32767)
    x = n.conv(n.depthwise(x, 3, act="relu6"), 6, 1, act="relu6")
    x = n.mean(x, [1, 2], False, x.scale / 2)
    return n.softmax(n.dense(x, 4))


def float_boundary(n):
    x = n.quantize(n.input(1, 5, 4, 2, dtype="f32"), "i16", 0.0003, 0)
    return n.dequantize(n.dense(n.conv(x, 3, 3, act="relu"), 4))


def both_widths(n):
    x = n.conv(n.input(1, 5, 6, 2), 3, 3, act="relu", zero_point=-128)
    x = n.conv(n.quantize(x, "i16", x.scale / 256, 0), 4, 3)
    return n.dense(n.quantize(x, "i8", x.scale * 256, 3), 5)


def gate(n):
    x = n.conv(n.expand_dims(n.input_i16(1, 30, 3), 1), 4, (1, 3), dilation=(1, 2))
    return n.binary("MUL", n.tanh(x), n.logistic(x), scale=1 / 32768)


# What TFLM's kernels do not have in 16 bits, or compute from something else than the file says.

for name in ("ELU", "HARD_SWISH"):
    refused(f"i16_{name.lower()}", lambda n, o=name: n.unary(o, n.input_i16(1, 9)))
refused("i16_prelu", lambda n: n.prelu(n.input_i16(1, 5), n.constant_i16(5), 0.0002, 0))
refused("i16_conv_zero_point", lambda n: n.conv(n.input(1, 4, 4, 2, dtype="i16", scale=0.001, zero_point=5), 3, 3))
refused("i16_depthwise_bias_i32", lambda n: n.depthwise(n.input_i16(1, 4, 4, 2), 3, bias="i32"))
refused("i16_dense_bias_i32", lambda n: n.dense(n.input_i16(1, 12), 4, bias="i32"))
refused("i16_conv_bias_i32_overflow", lambda n: n.conv(n.input_i16(1, 4, 4, 300), 2, 3, bias="i32"))
refused("i16_conv_multiplier_above_128", lambda n: n.conv(n.input_i16(1, 4, 4, 2, scale=10.0), 2, 3, scale=0.0001))
refused("i16_mul_multiplier_above_one", lambda n: n.binary("MUL", n.input_i16(1, 9, scale=0.1), n.input_i16(1, 9), scale=1e-6))
refused("i16_mean_finer", lambda n: n.mean(n.input_i16(1, 900), [1], True, 1e-9))
refused("i16_concat_i8", lambda n: n.concat([n.input_i16(1, 3), n.input(1, 3, scale=0.0002, zero_point=0)], 1))
refused("i16_logistic_output_scale", lambda n: n.unary("LOGISTIC", n.input_i16(1, 9), None, 1 / 4096))
refused("i16_tanh_input_scale", lambda n: n.tanh(n.input_i16(1, 9, scale=3.0)))
refused("i16_softmax_output_scale", lambda n: n.unary("SOFTMAX", n.input_i16(1, 9), fb.SoftmaxOptionsT(1.0), 1 / 16384))
refused("i16_leaky_relu_negative_slope", lambda n: n.leaky_relu(n.input_i16(1, 9), -0.2))
refused("i16_add_i8", lambda n: n.binary("ADD", n.input_i16(1, 9), n.input(1, 9), scale=0.1))
