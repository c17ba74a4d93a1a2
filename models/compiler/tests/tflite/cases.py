"""The models: name -> function that builds it on a Net and returns its outputs.

`CASES` must run exactly as TFLM runs them. `REFUSED` must be refused by the importer, naming the operator: TFLM rejects
them, or accepts them and computes something that the file does not say.
"""

from builder import SAME, VALID, fb

CASES, REFUSED = {}, {}
# Cases judged by LiteRT's reference kernels: TFLM has none for them, or one whose result is not defined.
LITERT = set()


def case(name, build, table=CASES, litert=False):
    assert name not in table, name
    if litert:
        LITERT.add(name)
    table[name] = lambda net: outputs if isinstance(outputs := build(net), list) else [outputs]


def refused(name, build):
    case(name, build, REFUSED)


# Convolution: strides, paddings, dilations, odd shapes, one-dimensional kernels, groups, batches.
case("conv_1x1", lambda n: n.conv(n.input(1, 4, 5, 6), 7, 1))
case("conv_1x1_stride2", lambda n: n.conv(n.input(1, 5, 6, 3), 4, 1, stride=2))
case("conv_3x3_same", lambda n: n.conv(n.input(1, 5, 7, 3), 4, 3))
case("conv_3x3_valid", lambda n: n.conv(n.input(1, 6, 5, 2), 5, 3, padding=VALID))
case("conv_3x3_same_stride2_even", lambda n: n.conv(n.input(1, 8, 6, 3), 4, 3, stride=2))
case("conv_3x3_same_stride2_odd", lambda n: n.conv(n.input(1, 7, 9, 3), 4, 3, stride=2))
case("conv_3x3_valid_stride3_leftover", lambda n: n.conv(n.input(1, 8, 7, 2), 3, 3, stride=3, padding=VALID))
case("conv_2x2_same", lambda n: n.conv(n.input(1, 5, 4, 3), 4, 2))
case("conv_4x4_same_stride3", lambda n: n.conv(n.input(1, 7, 8, 2), 3, 4, stride=3))
case("conv_5x3_same_stride_2x1", lambda n: n.conv(n.input(1, 9, 6, 2), 3, (5, 3), stride=(2, 1)))
case("conv_1x7_same", lambda n: n.conv(n.input(1, 1, 20, 3), 4, (1, 7)))
case("conv_1x5_valid_stride2", lambda n: n.conv(n.input(1, 1, 21, 2), 5, (1, 5), stride=(1, 2), padding=VALID))
case(
    "conv_1x3_causal_dilation4",
    lambda n: n.conv(
        n.pad(n.input(1, 1, 16, 3), [(0, 0), (0, 0), (8, 0), (0, 0)]), 4, (1, 3), padding=VALID, dilation=(1, 4)
    ),
)
case("conv_10x1_valid", lambda n: n.conv(n.input(1, 14, 3, 2), 3, (10, 1), padding=VALID))
case("conv_dilation2_same", lambda n: n.conv(n.input(1, 7, 6, 2), 3, 3, dilation=2))
case("conv_dilation_2x3_valid", lambda n: n.conv(n.input(1, 8, 9, 2), 3, 3, padding=VALID, dilation=(2, 3)))
case("conv_dilation2_stride2_same", lambda n: n.conv(n.input(1, 9, 8, 2), 3, 3, stride=2, dilation=2))
case("conv_kernel_wider_than_input", lambda n: n.conv(n.input(1, 2, 3, 2), 3, 7))
case("conv_full_kernel_valid", lambda n: n.conv(n.input(1, 4, 3, 2), 5, (4, 3), padding=VALID))
case("conv_one_pixel_one_channel", lambda n: n.conv(n.input(1, 1, 1, 1), 1, 3))
case("conv_groups2", lambda n: n.conv(n.input(1, 5, 4, 4), 6, 3, groups=2))
case("conv_groups3_stride2", lambda n: n.conv(n.input(1, 5, 6, 6), 3, 3, stride=2, groups=3))
case("conv_batch2", lambda n: n.conv(n.input(2, 4, 5, 3), 4, 3))
case("conv_no_bias", lambda n: n.conv(n.input(1, 4, 4, 3), 4, 3, bias=False))
case("conv_per_tensor", lambda n: n.conv(n.input(1, 5, 4, 3), 4, 3, per_channel=False))
case("conv_relu", lambda n: n.conv(n.input(1, 5, 4, 3), 4, 3, act="relu", zero_point=-128))
case("conv_relu_mid_zero_point", lambda n: n.conv(n.input(1, 5, 4, 3), 4, 3, act="relu", zero_point=-20))
case("conv_relu6", lambda n: n.conv(n.input(1, 5, 4, 3), 4, 3, act="relu6", scale=0.031, zero_point=-100))
case("conv_relu_n1_to_1", lambda n: n.conv(n.input(1, 5, 4, 3), 4, 3, act="relu_n1_to_1", scale=0.025, zero_point=3))
case("conv_saturating", lambda n: n.conv(n.input(1, 5, 4, 3), 4, 3, gain=0.05))
case(
    "conv_extreme_weights_zero_point_low",
    lambda n: n.conv(n.input(1, 5, 5, 4, zero_point=-128), 4, 3, zero_point=127, extreme=True),
)
case(
    "conv_extreme_weights_zero_point_high",
    lambda n: n.conv(n.input(1, 5, 5, 4, zero_point=127), 4, 3, zero_point=-128, extreme=True),
)

# Multipliers at the ends: near one, above one, right shifts of 10 and of 24 and more, flushed to zero.
case("conv_multiplier_near_one", lambda n: n.scaled_conv([0.99999999, 0.5000001, 1.0, 0.75], bias=100))
case("conv_multiplier_above_one", lambda n: n.scaled_conv([1.5, 3.999, 17.3, 1000.1], bias=40))
case("conv_multiplier_shift10", lambda n: n.scaled_conv([2**-10, 1.3 * 2**-11, 1.9 * 2**-10, 2**-9.5], bias=2**17))
case(
    "conv_multiplier_shift24", lambda n: n.scaled_conv([2**-24, 1.7 * 2**-24, 1.01 * 2**-25, 1.3 * 2**-26], bias=2**30)
)
case("conv_multiplier_flushed", lambda n: n.scaled_conv([2**-31, 2**-32, 1.1 * 2**-32, 2**-34], bias=2**30))
case("conv_multiplier_in_f64", lambda n: n.precise("CONV_2D", 12, fb.Conv2DOptionsT(SAME, 1, 1)))
case("conv_exact_ties", lambda n: n.scaled_conv([0.5, 0.25, 0.125, 2**-4], bias=600))

# Depthwise convolution.
case("depthwise_3x3_same", lambda n: n.depthwise(n.input(1, 6, 5, 4), 3))
case("depthwise_3x3_valid", lambda n: n.depthwise(n.input(1, 6, 5, 3), 3, padding=VALID))
case("depthwise_3x3_stride2_odd", lambda n: n.depthwise(n.input(1, 7, 9, 3), 3, stride=2))
case("depthwise_3x3_stride2_even", lambda n: n.depthwise(n.input(1, 8, 6, 5), 3, stride=2, act="relu6"))
case("depthwise_multiplier3", lambda n: n.depthwise(n.input(1, 5, 4, 2), 3, multiplier=3))
case(
    "depthwise_multiplier8_one_channel",
    lambda n: n.depthwise(n.input(1, 9, 8, 1), (5, 4), multiplier=8, stride=2, act="relu"),
)
case("depthwise_dilation2", lambda n: n.depthwise(n.input(1, 7, 8, 3), 3, dilation=2))
case(
    "depthwise_dilation_3x1_multiplier2_valid",
    lambda n: n.depthwise(n.input(1, 9, 5, 2), (3, 2), multiplier=2, padding=VALID, dilation=(3, 1)),
)
case("depthwise_1x9", lambda n: n.depthwise(n.input(1, 1, 24, 3), (1, 9), padding=VALID))
case("depthwise_no_bias_per_tensor", lambda n: n.depthwise(n.input(1, 4, 4, 3), 3, bias=False, per_channel=False))
case("depthwise_batch2", lambda n: n.depthwise(n.input(2, 4, 3, 3, zero_point=127), 3, zero_point=-128))

# Fully connected.
case("dense_per_tensor", lambda n: n.dense(n.input(1, 20), 7))
case("dense_per_channel", lambda n: n.dense(n.input(1, 20), 7, per_channel=True))
case("dense_no_bias", lambda n: n.dense(n.input(1, 9), 5, bias=False))
case("dense_relu_batch3", lambda n: n.dense(n.input(3, 17), 6, act="relu"))
case("dense_4d_input", lambda n: n.dense(n.input(1, 3, 2, 4), 5))
case("dense_keep_dims", lambda n: n.dense(n.input(1, 3, 2, 6), 5, keep_dims=True))
case("dense_one_by_one", lambda n: n.dense(n.input(1, 1), 1))
case("dense_saturating", lambda n: n.dense(n.input(1, 64, zero_point=-128), 12, gain=0.1))
case("dense_multiplier_in_f64", lambda n: n.precise("FULLY_CONNECTED", 12, fb.FullyConnectedOptionsT()))

# Pooling.
case("average_pool_2x2", lambda n: n.pool("AVERAGE_POOL_2D", n.input(1, 6, 5, 3), 2, 2))
case("average_pool_3x3_same", lambda n: n.pool("AVERAGE_POOL_2D", n.input(1, 5, 6, 3), 3, 2, SAME))
case(
    "average_pool_5x1_relu",
    lambda n: n.pool("AVERAGE_POOL_2D", n.input(2, 7, 3, 2, zero_point=-50), (5, 1), 1, SAME, "relu"),
)
case("average_pool_global", lambda n: n.pool("AVERAGE_POOL_2D", n.input(1, 7, 5, 4), (7, 5)))
case(
    "average_pool_relu6",
    lambda n: n.pool("AVERAGE_POOL_2D", n.input(1, 4, 4, 3, scale=0.07, zero_point=-30), 2, 1, VALID, "relu6"),
)
case("max_pool_2x2", lambda n: n.pool("MAX_POOL_2D", n.input(1, 6, 5, 3), 2, 2))
case("max_pool_3x3_same", lambda n: n.pool("MAX_POOL_2D", n.input(2, 5, 6, 3), 3, 2, SAME))
case(
    "max_pool_1x1_relu6_near_tie",
    lambda n: n.pool("MAX_POOL_2D", n.input(1, 4, 64, 1, scale=6 / 30.5, zero_point=-128), 1, 1, SAME, "relu6"),
)
case(
    "max_pool_1x4_relu6",
    lambda n: n.pool("MAX_POOL_2D", n.input(1, 3, 9, 2, scale=0.07), (1, 4), (1, 3), SAME, "relu6"),
)

# Mean: every axis set, both shapes of the result, equal and unequal scales.
case("mean_hw_keep", lambda n: n.mean(n.input(1, 5, 7, 3), [1, 2], scale=0.03, zero_point=10))
case("mean_hw_squeezed", lambda n: n.mean(n.input(1, 5, 7, 3), [1, 2], False, scale=0.03, zero_point=10))
case("mean_hw_keep_equal_scales", lambda n: n.mean(n.input(2, 5, 7, 3), [2, 1]))
case("mean_hw_squeezed_equal_scales", lambda n: n.mean(n.input(2, 5, 7, 3), [1, 2], False))
case("mean_hw_16", lambda n: n.mean(n.input(1, 4, 4, 5), [1, 2], False, scale=0.02))
case("mean_w_negative_axis", lambda n: n.mean(n.input(1, 3, 11, 4), [-2], scale=0.04))
case("mean_channels", lambda n: n.mean(n.input(1, 4, 3, 9), [3], scale=0.06, zero_point=0))
case("mean_all", lambda n: n.mean(n.input(1, 3, 5, 4), [0, 1, 2, 3], scale=0.02))
case("mean_2d", lambda n: n.mean(n.input(4, 13), [1], False, scale=0.011))
case("mean_3d_time", lambda n: n.mean(n.input(1, 49, 4), [1], False, scale=0.013, zero_point=-128))
case("mean_near_ties", lambda n: n.mean(n.input(1, 1, 2, 100, scale=0.3), [1, 2], scale=0.9))
case(
    "mean_scalar_axis",
    lambda n: n.op("MEAN", [n.input(1, 6, 5), n.ints(1)], [(1, 5)], fb.ReducerOptionsT(), scale=0.02),
)
case("mean_upscaled", lambda n: n.mean(n.input(1, 3, 3, 4, scale=0.9), [1, 2], scale=0.05))

# Elementwise with broadcasting and fused activations.
case("add_same_shape", lambda n: n.binary("ADD", n.input(1, 4, 5, 3), n.input(1, 4, 5, 3, scale=0.08, zero_point=11)))
case("add_relu", lambda n: n.binary("ADD", n.input(1, 4, 5, 3), n.input(1, 4, 5, 3, scale=0.02), "relu"))
case("add_channel_vector", lambda n: n.binary("ADD", n.input(1, 4, 5, 6), n.constant(6)))
case("add_scalar", lambda n: n.binary("ADD", n.input(1, 4, 5, 3), n.constant()))
case("add_scalar_first", lambda n: n.binary("ADD", n.constant(), n.input(3, 7)))
case("add_general_broadcast", lambda n: n.binary("ADD", n.input(1, 4, 1, 3), n.input(2, 1, 5, 3, scale=0.11)))
case("add_itself", lambda n: n.binary("ADD", x := n.input(1, 3, 4, 2), x))
case(
    "add_far_scales",
    lambda n: n.binary(
        "ADD", n.input(1, 30, scale=3.0, zero_point=-128), n.input(1, 30, scale=0.0005, zero_point=127), scale=2.9
    ),
)
case("sub_same_shape", lambda n: n.binary("SUB", n.input(1, 4, 5, 3), n.input(1, 4, 5, 3, scale=0.08, zero_point=11)))
case("sub_relu6", lambda n: n.binary("SUB", n.input(1, 40), n.input(1, 40, scale=0.07), "relu6"))
case("sub_from_scalar", lambda n: n.binary("SUB", n.constant(), n.input(1, 4, 5, 3)))
case("sub_row_vector", lambda n: n.binary("SUB", n.input(1, 4, 5, 3), n.constant(1, 4, 1, 1), scale=0.037))
case(
    "sub_far_scales",
    lambda n: n.binary("SUB", n.input(1, 200, scale=0.0123457), n.input(1, 200, scale=0.31), scale=0.0171),
)
case("mul_same_shape", lambda n: n.binary("MUL", n.input(1, 4, 5, 3), n.input(1, 4, 5, 3, scale=0.02, zero_point=11)))
case("mul_channel_vector_relu", lambda n: n.binary("MUL", n.input(1, 4, 5, 6), n.constant(6), "relu", 0.02, -128))
case("mul_scalar", lambda n: n.binary("MUL", n.input(1, 4, 5, 3), n.constant(1, 1, 1, 1), scale=0.03))
case(
    "mul_general_broadcast", lambda n: n.binary("MUL", n.input(3, 1, 4), n.input(1, 5, 4, zero_point=-128), scale=0.05)
)
case(
    "mul_upscaled",
    lambda n: n.binary("MUL", n.input(1, 60, scale=1.7), n.input(1, 60, scale=1.3, zero_point=126), scale=17.0),
)
case(
    "mul_near_ties",
    lambda n: n.binary("MUL", n.input(1, 16, 16, scale=0.2), n.constant(16, scale=0.25), scale=0.64, zero_point=0),
)

# Activations.
case("relu", lambda n: n.unary("RELU", n.input(1, 4, 8, 8)))
case("relu_requantized", lambda n: n.unary("RELU", n.input(1, 256), None, 0.017, -128))
case("relu_near_ties", lambda n: n.unary("RELU", n.input(1, 256, scale=0.45, zero_point=-128), None, 0.04, -128))
case("relu6", lambda n: n.unary("RELU6", n.input(1, 256, scale=0.06, zero_point=-20)))
case("relu6_wide_scale", lambda n: n.unary("RELU6", n.input(1, 256, scale=0.01, zero_point=0)))
case("leaky_relu", lambda n: n.leaky_relu(n.input(1, 256), 0.1))
case("leaky_relu_requantized", lambda n: n.leaky_relu(n.input(1, 256), 0.3, 0.033, 12))
case("leaky_relu_alpha_above_one", lambda n: n.leaky_relu(n.input(1, 256, zero_point=60), 1.7, 0.11, -9))
case("leaky_relu_near_ties", lambda n: n.leaky_relu(n.input(1, 256, scale=0.45, zero_point=-70), 0.5, 0.4))
case("leaky_relu_negative_alpha", lambda n: n.leaky_relu(n.input(1, 256, zero_point=0), -0.37, 0.07, 5))
case("prelu_channels", lambda n: n.prelu(n.input(1, 4, 4, 6), n.constant(1, 1, 6, scale=0.009, zero_point=-11)))
case(
    "prelu_near_ties_positive",
    lambda n: n.prelu(n.input(1, 256, scale=0.25, zero_point=-128), n.constant(1), 0.012, -128),
)
case(
    "prelu_near_ties_negative",
    lambda n: n.prelu(n.input(1, 16, 16, scale=0.011, zero_point=127), n.constant(16, scale=0.5), 0.036, 0),
)
case("prelu_full", lambda n: n.prelu(n.input(1, 3, 4, 5), n.constant(1, 3, 4, 5, scale=0.01, zero_point=0)))
case("hard_swish", lambda n: n.unary("HARD_SWISH", n.input(1, 256), None, 0.04, -121))
case("hard_swish_narrow", lambda n: n.unary("HARD_SWISH", n.input(1, 256, scale=0.005, zero_point=20), None, 0.003, 0))
case("hard_swish_wide", lambda n: n.unary("HARD_SWISH", n.input(1, 256, scale=0.3, zero_point=-128), None, 0.29, -128))
case("logistic", lambda n: n.logistic(n.input(1, 256)))
case("logistic_narrow", lambda n: n.logistic(n.input(1, 256, scale=0.0007, zero_point=100)))
case("logistic_wide", lambda n: n.logistic(n.input(1, 256, scale=0.4, zero_point=-128)))
case("tanh", lambda n: n.tanh(n.input(1, 256, scale=0.03, zero_point=7)))
case("tanh_narrow", lambda n: n.tanh(n.input(1, 256, scale=0.002, zero_point=-1)))
case("tanh_wide", lambda n: n.tanh(n.input(1, 256, scale=0.5, zero_point=127)))
case("elu", lambda n: n.unary("ELU", n.input(1, 256), None, 0.04, -90))
case("elu_near_ties", lambda n: n.unary("ELU", n.input(1, 256, scale=0.021, zero_point=-20), None, 0.022, -30))
case("softmax_2d", lambda n: n.softmax(n.input(1, 12, scale=0.1)))
case("softmax_batch3", lambda n: n.softmax(n.input(3, 10, scale=0.02)))
case("softmax_4d_beta", lambda n: n.softmax(n.input(1, 3, 4, 5, scale=0.07), 0.3))
case("softmax_beta_above_one", lambda n: n.softmax(n.input(2, 7, scale=0.06), 2.5))
case("softmax_pairs", lambda n: n.softmax(n.input(64, 2, scale=0.177)))
case("softmax_wide_scale", lambda n: n.softmax(n.input(2, 9, scale=2.0)))
case("softmax_multiplier_clamped", lambda n: n.softmax(n.input(2, 9, scale=40.0)))
case("softmax_one_class", lambda n: n.softmax(n.input(4, 1)))
case("softmax_many_classes", lambda n: n.softmax(n.input(1, 300, scale=0.004)))

# Data movement.
case("pad_hw", lambda n: n.pad(n.input(1, 3, 4, 2), [(0, 0), (1, 2), (0, 3), (0, 0)]))
case("pad_all_axes", lambda n: n.pad(n.input(1, 2, 3, 2), [(1, 0), (0, 1), (2, 1), (1, 3)]))
case("pad_2d", lambda n: n.pad(n.input(2, 5), [(0, 1), (3, 0)]))
case("padv2", lambda n: n.pad(n.input(1, 3, 4, 2), [(0, 0), (1, 1), (2, 0), (0, 1)], -77))
case("concat_channels", lambda n: n.concat([n.input(1, 3, 4, 2), n.input(1, 3, 4, 5)], 3))
case("concat_rows_three", lambda n: n.concat([n.input(1, 2, 4, 3), n.input(1, 1, 4, 3), n.input(1, 3, 4, 3)], 1))
case("concat_columns_four_negative_axis", lambda n: n.concat([n.input(1, 2, w, 3) for w in (1, 2, 3, 1)], -2))
case("concat_batch", lambda n: n.concat([n.input(1, 6), n.input(2, 6)], 0))
case("concat_with_constant", lambda n: n.concat([n.input(1, 3, 2), n.constant(1, 3, 4, scale=0.05, zero_point=-3)], 2))
case("split_channels", lambda n: n.split(n.input(1, 3, 4, 6), 3, 3))
case("split_rows_negative_axis", lambda n: n.split(n.input(1, 4, 3, 2), 2, -3))
case("split_v", lambda n: n.split_v(n.input(1, 3, 7, 2), [2, 4, 1], 2))
case("slice", lambda n: n.slice(n.input(1, 5, 6, 4), [0, 1, 2, 1], [1, 3, -1, 2]))
case("slice_2d", lambda n: n.slice(n.input(3, 8), [1, 0], [2, 5]))
case(
    "strided_slice",
    lambda n: n.strided_slice(n.input(1, 7, 8, 3), [0, 1, 0, 0], [1, 7, 8, 3], [1, 2, 3, 1], (1, 3, 3, 3)),
)
case(
    "strided_slice_backwards",
    lambda n: n.strided_slice(n.input(1, 6, 5, 3), [0, 5, -1, 2], [1, 0, -6, -4], [1, -2, -1, -2], (1, 3, 5, 2)),
)
case(
    "strided_slice_masks",
    lambda n: n.strided_slice(
        n.input(2, 5, 6, 3), [1, 4, 2, 1], [2, 1, 4, 2], [1, -2, 1, 1], (2, 3, 4, 2), begin_mask=1, end_mask=14
    ),
)
case(
    "strided_slice_shrink",
    lambda n: n.strided_slice(n.input(2, 5, 4, 3), [0, -2, 0, 0], [2, 0, 4, 3], [1, 1, 1, 1], (2, 4, 3), shrink_mask=2),
)
case(
    "strided_slice_last_step",
    lambda n: n.strided_slice(
        n.input(1, 9, 4), [0, -1, 0], [0, 0, 0], [1, 1, 1], (1, 4), begin_mask=5, end_mask=5, shrink_mask=2
    ),
)
case("reshape_flatten", lambda n: n.dense(n.reshape(n.input(1, 3, 4, 2), (1, 24)), 5))
case("reshape_to_4d", lambda n: n.reshape(n.input(1, 24), (1, 2, 3, 4)))
case(
    "reshape_by_option",
    lambda n: n.like("RESHAPE", n.input(1, 3, 8), [(1, 6, 4)], options=fb.ReshapeOptionsT([1, -1, 4])),
)
case("squeeze", lambda n: n.squeeze(n.input(1, 5, 1, 4), [2]))
case("expand_dims", lambda n: n.conv(n.expand_dims(n.input(1, 12, 3), 1), 4, (1, 3)))
case("expand_dims_last", lambda n: n.expand_dims(n.input(2, 7), -1))
case("transpose_2d", lambda n: n.transpose(n.input(4, 7), [1, 0]))
case("transpose_3d", lambda n: n.transpose(n.input(2, 3, 5), [2, 0, 1]))
case("transpose_nhwc_to_nchw", lambda n: n.transpose(n.input(1, 3, 4, 5), [0, 3, 1, 2]))
case("transpose_reversed", lambda n: n.transpose(n.input(2, 3, 4, 5), [3, 2, 1, 0]))

# Changes of element type and scale.
case("quantize_i8_i8", lambda n: n.quantize(n.input(1, 256), "i8", 0.037, 20))
case("quantize_i8_i8_finer", lambda n: n.quantize(n.input(1, 256, scale=0.3), "i8", 0.02, -128))
case("quantize_near_ties", lambda n: n.quantize(n.input(1, 256, scale=0.3), "i8", 0.2, 0))
case("quantize_i8_i16", lambda n: n.quantize(n.input(1, 256), "i16", 0.0003, 0))
case("quantize_i16_i8", lambda n: n.quantize(n.input(1, 256, dtype="i16", scale=0.0002, zero_point=0), "i8", 0.05, -6))
case(
    "quantize_i16_i16",
    lambda n: n.quantize(n.input(1, 200, dtype="i16", scale=0.0002, zero_point=0), "i16", 0.00031, 0),
)
case("quantize_u8_i8", lambda n: n.quantize(n.input(1, 256, dtype="u8", scale=0.05, zero_point=128), "i8", 0.05, 0))
case(
    "quantize_u8_i8_rescaled",
    lambda n: n.quantize(n.input(1, 256, dtype="u8", scale=1 / 255, zero_point=0), "i8", 0.007, -128),
)
case("quantize_i8_u8", lambda n: n.quantize(n.input(1, 256), "u8", 0.06, 120))
case("quantize_f32_i8", lambda n: n.quantize(n.input(1, 256, dtype="f32"), "i8", 0.0625, 3))
case("quantize_f32_i8_ties", lambda n: n.quantize(n.input(1, 256, dtype="f32"), "i8", 0.125, -1))
case("quantize_f32_i8_near_ties", lambda n: n.quantize(n.input(1, 256, dtype="f32"), "i8", 0.003, 0))
case("quantize_f32_i16", lambda n: n.quantize(n.input(1, 256, dtype="f32"), "i16", 0.00037, 0))
case("dequantize_i8", lambda n: n.dequantize(n.input(1, 256)))
case("dequantize_i16", lambda n: n.dequantize(n.input(1, 200, dtype="i16", scale=0.0003, zero_point=0)))

# Nets.
case("net_residual", lambda n: residual(n))
case("net_separable", lambda n: separable(n))
case("net_branches", lambda n: branches(n))
case("net_float_boundary", lambda n: float_boundary(n))
case("net_temporal", lambda n: temporal(n))
case("net_two_outputs", lambda n: two_outputs(n))
case("net_squeeze_excite", lambda n: squeeze_excite(n))
case("net_inner_output", lambda n: [x := n.conv(n.input(1, 4, 4, 2), 3, 3), n.unary("RELU", x)])
case("net_unused_result", lambda n: n.split(n.input(1, 3, 6), 3, 2)[1])


def residual(n):
    x = n.conv(n.input(1, 6, 6, 3), 4, 3, act="relu", zero_point=-128)
    y = n.conv(n.conv(x, 4, 3, act="relu", zero_point=-128), 4, 3)
    return n.unary("RELU", n.binary("ADD", x, y, scale=y.scale * 1.5))


def separable(n):
    x = n.conv(n.input(1, 9, 9, 1, zero_point=-128), 4, 3, stride=2, act="relu6", scale=6 / 255, zero_point=-128)
    x = n.conv(n.depthwise(x, 3, act="relu6"), 6, 1, act="relu6")
    x = n.mean(x, [1, 2], False, x.scale / 2)
    return n.softmax(n.dense(x, 4, per_channel=True))


def branches(n):
    x = n.input(1, 6, 8, 3)
    a = n.pool("MAX_POOL_2D", x, 3, 1, SAME)
    b = n.conv(x, 4, (1, 3), scale=x.scale, zero_point=x.zero_point)
    c = n.conv(n.concat([a, b, x], 3), 5, 3, stride=2, padding=VALID)
    return n.logistic(n.pool("AVERAGE_POOL_2D", c, c.shape[1:3]))


def float_boundary(n):
    x = n.quantize(n.input(1, 5, 4, 2, dtype="f32"), "i8", 0.0625, -2)
    return n.dequantize(n.dense(n.conv(x, 3, 3, act="relu"), 4))


def temporal(n):
    x = n.expand_dims(n.input(1, 30, 3), 1)
    for dilation in (1, 2, 4):
        padded = n.pad(x, [(0, 0), (0, 0), (2 * dilation, 0), (0, 0)])
        x = n.conv(padded, 3, (1, 3), padding=VALID, dilation=(1, dilation), act="relu", zero_point=-128)
    x = n.strided_slice(x, [0, 0, -1, 0], [0, 0, 0, 0], [1, 1, 1, 1], (1, 1, 3), 11, 11, shrink_mask=4)
    return n.dense(n.squeeze(x, [1]), 2)


def two_outputs(n):
    x = n.conv(n.input(1, 4, 6, 3), 6, 3, stride=2)
    a, b = n.split(x, 2, 3)
    return [n.tanh(a), n.softmax(n.reshape(n.binary("SUB", a, b), (1, 18)))]


def squeeze_excite(n):
    x = n.unary("HARD_SWISH", n.conv(n.input(1, 5, 5, 3), 6, 3), scale=0.9, zero_point=-100)
    gate = n.conv(n.mean(x, [1, 2], True, x.scale / 3), 4, 1, act="relu", zero_point=-128)
    return n.binary("MUL", x, n.logistic(n.conv(gate, 6, 1)), scale=x.scale / 2)


# New and repeated axes, five and six axes.
case("broadcast_to", lambda n: n.broadcast_to(n.input(2, 1, 5), (2, 3, 5)))
case("broadcast_to_new_axes", lambda n: n.broadcast_to(n.input(1, 3), (2, 1, 4, 3)))
case("pack_last_axis", lambda n: n.pack([n.input(2, 3), n.input(2, 3), n.input(2, 3)], -1))
case("pack_with_constant", lambda n: n.pack([n.input(1, 4), n.constant(1, 4, scale=0.05, zero_point=-3)], 1))
case("unpack_first_axis", lambda n: n.unpack(n.input(3, 2, 2), 0))
case("unpack_negative_axis", lambda n: n.unpack(n.input(2, 3, 4), -2))
case("add_broadcast_six_axes", lambda n: n.binary("ADD", n.input(2, 1, 2, 3, 2, 3), n.input(1, 3, 2, 1, 2, 1)))
case("add_broadcast_both_ways", lambda n: n.binary("ADD", n.input(4, 1, 3), n.input(2, 1, 5, 1)))
case("mul_broadcast_five_axes", lambda n: n.binary("MUL", n.input(2, 2, 3, 1, 5), n.input(2, 1, 4, 1)))
case("prelu_broadcast_five_axes", lambda n: n.prelu(n.input(2, 2, 3, 2, 3), n.constant(1, 2, 3, 1, 3)))
case("mean_six_axes", lambda n: n.mean(n.input(2, 2, 3, 1, 2, 5), [0, 2, 5], False, 0.03, 5))
case("transpose_five_axes", lambda n: n.transpose(n.input(1, 2, 3, 4, 2), [4, 2, 3, 1, 0]))
case("pad_five_axes", lambda n: n.pad(n.input(1, 2, 3, 2, 2), [(0, 0), (1, 0), (0, 2), (0, 0), (1, 1)]))
case("concat_six_axes", lambda n: n.concat([n.input(1, 2, 2, 1, 3, 2), n.input(1, 2, 2, 1, 1, 2)], 4))
case("slice_five_axes", lambda n: n.slice(n.input(1, 2, 3, 4, 5), [0, 1, 0, 1, 0], [1, 1, 2, 2, -1]))
case(
    "strided_slice_drops_two_axes",
    lambda n: n.strided_slice(n.input(2, 9, 7), [1, -2, 1], [2, -1, 7], [1, 1, 2], (3,), shrink_mask=3),
)
case(
    "dense_one_axis",
    lambda n: n.op(
        "FULLY_CONNECTED",
        [n.input(7), n.tensor((3, 7), scale=0.01, data=n.rng.integers(-127, 128, (3, 7))), None],
        [(3,)],
        fb.FullyConnectedOptionsT(),
        scale=0.3,
    ),
)
case("mean_to_scalar", lambda n: n.mean(n.input(2, 3), [0, 1], False))
case("same_value_twice", lambda n: [x := n.unary("RELU", n.input(1, 5)), n.binary("MUL", x, x), x])


# Refused.

refused(
    "quantize_u8_to_i16",
    lambda n: n.quantize(n.input(1, 9, dtype="u8", zero_point=128), "i16", 0.01, 0),
)
refused("logistic_zero_point", lambda n: n.unary("LOGISTIC", n.input(1, 9), None, 1 / 256, -127))
refused(
    "max_pool_zero_point",
    lambda n: n.op(
        "MAX_POOL_2D",
        [n.input(1, 4, 4, 2)],
        [(1, 2, 2, 2)],
        fb.Pool2DOptionsT(VALID, 2, 2, 2, 2),
        scale=0.05,
        zero_point=-4,
    ),
)
refused(
    "concat_u8",
    lambda n: n.quantize(
        n.concat([n.input(1, 3, dtype="u8", zero_point=5), n.input(1, 3, dtype="u8", zero_point=5)], 1), "i8", 0.05, 0
    ),
)
refused(
    "dense_bias_scale",
    lambda n: n.op(
        "FULLY_CONNECTED",
        [
            n.input(1, 4),
            n.tensor((3, 4), scale=0.01, data=n.rng.integers(-127, 128, (3, 4))),
            n.tensor((3,), "i32", 0.05, data=[1, 2, 3]),
        ],
        [(1, 3)],
        fb.FullyConnectedOptionsT(),
        scale=0.3,
    ),
)
refused("add_multiplier_above_one", lambda n: n.binary("ADD", n.input(1, 8, scale=3.0), n.input(1, 8), scale=1e-6))
refused(
    "average_pool_rescaled",
    lambda n: n.op(
        "AVERAGE_POOL_2D", [n.input(1, 4, 4, 2)], [(1, 2, 2, 2)], fb.Pool2DOptionsT(VALID, 2, 2, 2, 2), scale=0.1
    ),
)
refused("concat_fused_relu", lambda n: n.concat([n.input(1, 3), n.input(1, 3)], 1, "relu"))
refused("concat_unequal_scales", lambda n: n.concat([n.input(1, 3), n.input(1, 3, scale=0.07)], 1))
refused("conv_accumulator_overflow", lambda n: n.scaled_conv([0.5] * 4, bias=2**31 - 1))
refused("conv_fused_tanh", lambda n: n.conv(n.input(1, 4, 4, 2), 3, 3, act="tanh"))
refused(
    "conv_weights_from_input",
    lambda n: n.op(
        "CONV_2D",
        [n.input(1, 4, 4, 2), n.input(3, 1, 1, 2, zero_point=0)],
        [(1, 4, 4, 3)],
        fb.Conv2DOptionsT(SAME, 1, 1),
        scale=0.1,
    ),
)
refused("dense_weight_zero_point", lambda n: n.dense_zero_point(n.input(1, 12), 4, 0.01, 11))
refused("dense_weight_zero_point_per_channel", lambda n: n.dense_zero_point(n.input(1, 12), 4, [0.01] * 4, 11))
refused(
    "float_operator",
    lambda n: n.op("ADD", [n.input(1, 4, dtype="f32"), n.input(1, 4, dtype="f32")], [(1, 4)], fb.AddOptionsT(), "f32"),
)
refused(
    "float_between",
    lambda n: n.unary(
        "QUANTIZE", n.unary("TANH", n.dequantize(n.input(1, 9)), dtype="f32"), fb.QuantizeOptionsT(), 0.01, 0
    ),
)
refused("hard_swish_output_too_fine", lambda n: n.unary("HARD_SWISH", n.input(1, 9), None, 0.0003, 0))
refused("logistic_output_scale", lambda n: n.unary("LOGISTIC", n.input(1, 9), None, 1 / 128, -128))
refused(
    "mean_i16_to_i8",
    lambda n: n.op(
        "MEAN",
        [n.input_i16(1, 5, 4), n.ints([1])],
        [(1, 1, 4)],
        fb.ReducerOptionsT(True),
        "i8",
        0.05,
    ),
)
refused(
    "pad_rescaled",
    lambda n: n.op("PAD", [n.input(1, 3), n.ints([(0, 0), (1, 1)])], [(1, 5)], fb.PadOptionsT(), scale=0.1),
)
refused("relu6_rescaled", lambda n: n.unary("RELU6", n.input(1, 9), None, 0.03, -128))
refused(
    "reshape_rescaled",
    lambda n: n.op("RESHAPE", [n.input(1, 6), n.ints([2, 3])], [(2, 3)], fb.ReshapeOptionsT([2, 3]), scale=0.1),
)
refused("softmax_output_scale", lambda n: n.unary("SOFTMAX", n.input(1, 9), fb.SoftmaxOptionsT(1.0), 1 / 128, -128))
refused(
    "split_axis_from_input",
    lambda n: n.op(
        "SPLIT", [n.input(1, dtype="i32", scale=None), n.input(1, 4)], [(1, 2)] * 2, fb.SplitOptionsT(2), scale=0.05
    ),
)
refused(
    "strided_slice_ellipsis",
    lambda n: n.strided_slice(n.input(1, 3, 4), [0, 0, 0], [1, 3, 2], [1, 1, 1], (1, 3, 2), ellipsis_mask=2),
)
refused(
    "strided_slice_new_axis",
    lambda n: n.strided_slice(n.input(3, 4), [0, 0, 0], [0, 3, 4], [1, 1, 1], (1, 3, 4), new_axis_mask=1),
)
refused("tanh_output_scale", lambda n: n.unary("TANH", n.input(1, 9), None, 1 / 64, 0))
refused("unknown_operator", lambda n: n.unary("COS", n.input(1, 9)))

# Families of their own; they register themselves here.
import cases_i16  # noqa: E402, F401
import cases_functions  # noqa: E402, F401
import cases_selection  # noqa: E402, F401
