"""Cases of the operators that slide a window: conv2d, depthwise_conv2d, average_pool2d, max_pool2d."""

from fractions import Fraction
from math import prod

from arith import clamp
from case import FULL, ROUNDINGS, Data, multiplier, single_step

MAX31 = (1 << 31) - 1
# An artifact's proof that no accumulator leaves i32: taps * MAX_TERM + |bias| <= MAX31.
MAX_TERM = 255 * 128
# (mantissa, shift): the corners of what a multiplier may be.
CORNERS = [
    (0, 0), (1 << 30, 0), (MAX31, 0), (1 << 30, 1), (MAX31, 1), (1 << 30, -1), (MAX31, -1), (1 << 30, -31),
    (MAX31, -31), (1 << 30, 30), (MAX31, 30), (1 << 30, -7), (MAX31, -8), (1518500250, 2),
    (1234567891, -20), (MAX31, -30), (1999999973, -24), (1 << 30, -23), (0, -31), (0, 30),
]


def out_extent(n, before, after, kernel, stride, dilation):
    extent = (n + before + after - (kernel - 1) * dilation - 1) // stride + 1
    assert extent >= 1
    return extent


def window(kernel, stride=(1, 1), dilation=(1, 1), pads=(0, 0, 0, 0)):
    """Attributes of a window; pads are top, left, bottom, right."""
    return {"kernel": kernel, "stride": stride, "dilation": dilation, "pads": pads}


def taps_of(w):
    return w["kernel"][0] * w["kernel"][1]


def window_attrs(w, with_dilation):
    attrs = {"kernel_h": w["kernel"][0], "kernel_w": w["kernel"][1],
             "stride_h": w["stride"][0], "stride_w": w["stride"][1]}
    if with_dilation:
        attrs |= {"dilation_h": w["dilation"][0], "dilation_w": w["dilation"][1]}
    return attrs | {"pad_top": w["pads"][0], "pad_left": w["pads"][1]}


def out_shape(x, w, co):
    top, left, bottom, right = w["pads"]
    return (x[0],
            out_extent(x[1], top, bottom, w["kernel"][0], w["stride"][0], w["dilation"][0]),
            out_extent(x[2], left, right, w["kernel"][1], w["stride"][1], w["dilation"][1]), co)


# name, input shape, output channels, window, groups
CONV_GEOMETRY = [
    ("1x1_all", (1, 1, 1, 1), 1, window((1, 1)), 1),
    ("1x1_kernel", (1, 3, 5, 4), 6, window((1, 1)), 1),
    ("3x3_valid", (1, 5, 6, 3), 4, window((3, 3)), 1),
    ("3x3_same", (1, 4, 5, 2), 5, window((3, 3), pads=(1, 1, 1, 1)), 1),
    ("3x3_stride2", (1, 7, 8, 3), 4, window((3, 3), (2, 2), pads=(0, 0, 1, 1)), 1),
    ("kernel_larger", (1, 2, 3, 2), 3, window((5, 7), pads=(2, 3, 2, 3)), 1),
    ("kernel_is_input", (1, 4, 3, 5), 7, window((4, 3)), 1),
    ("pad_left_only", (1, 3, 3, 2), 2, window((2, 3), pads=(0, 2, 0, 0)), 1),
    ("pad_top_only", (1, 3, 3, 2), 2, window((3, 2), pads=(2, 0, 0, 0)), 1),
    ("pad_end_only", (1, 3, 3, 2), 2, window((3, 3), pads=(0, 0, 2, 2)), 1),
    ("taps_all_in_padding", (1, 2, 2, 2), 3, window((2, 2), pads=(3, 3, 3, 3)), 1),
    ("stride_over_kernel", (1, 7, 9, 2), 3, window((2, 2), (3, 4)), 1),
    ("stride_h3_w1", (1, 8, 5, 2), 3, window((3, 1), (3, 1), pads=(1, 0, 0, 0)), 1),
    ("dilation2", (1, 7, 7, 2), 3, window((3, 3), dilation=(2, 2), pads=(1, 1, 1, 1)), 1),
    ("dilation_3x2_stride2", (1, 9, 8, 2), 2, window((3, 2), (2, 2), (3, 2), (2, 1, 2, 1)), 1),
    ("conv1d", (1, 1, 17, 3), 5, window((1, 5), pads=(0, 2, 0, 2)), 1),
    ("conv1d_tall", (1, 19, 1, 3), 4, window((4, 1), (2, 1), pads=(1, 0, 2, 0)), 1),
    ("conv1d_causal_dilated", (1, 1, 13, 4), 4, window((1, 3), dilation=(1, 4), pads=(0, 8, 0, 0)), 1),
    ("groups2", (1, 4, 4, 6), 4, window((3, 3), pads=(1, 1, 1, 1)), 2),
    ("groups3_co9", (1, 3, 4, 6), 9, window((2, 2)), 3),
    ("groups_as_depthwise", (1, 4, 3, 5), 5, window((3, 3), pads=(1, 1, 1, 1)), 5),
    ("groups4_1x1", (1, 2, 3, 8), 12, window((1, 1)), 4),
    ("batch2", (2, 4, 3, 3), 4, window((3, 2), pads=(1, 0, 1, 1)), 1),
    ("batch3_stride2", (3, 3, 3, 2), 2, window((2, 2), (2, 2), pads=(0, 0, 1, 1)), 1),
    ("first_layer", (1, 9, 7, 1), 8, window((5, 4), (2, 2), pads=(2, 1, 2, 2)), 1),
    ("rgb", (1, 6, 6, 3), 8, window((3, 3), (2, 2), pads=(0, 0, 1, 1)), 1),
    ("wide_channels", (1, 2, 2, 40), 19, window((1, 1)), 1),
    ("deep_3x3", (1, 3, 3, 16), 6, window((3, 3), pads=(1, 1, 1, 1)), 1),
]

DEPTHWISE_GEOMETRY = [
    ("1x1_all", (1, 1, 1, 1), 1, window((1, 1))),
    ("1x1_kernel", (1, 3, 4, 5), 1, window((1, 1))),
    ("3x3_valid", (1, 5, 6, 3), 1, window((3, 3))),
    ("3x3_same", (1, 4, 5, 4), 1, window((3, 3), pads=(1, 1, 1, 1))),
    ("3x3_stride2", (1, 7, 8, 3), 1, window((3, 3), (2, 2), pads=(0, 0, 1, 1))),
    ("kernel_larger", (1, 2, 3, 2), 1, window((5, 7), pads=(2, 3, 2, 3))),
    ("kernel_is_input", (1, 5, 4, 6), 1, window((5, 4))),
    ("pad_left_only", (1, 3, 3, 2), 1, window((2, 3), pads=(0, 2, 0, 0))),
    ("pad_top_only", (1, 3, 3, 2), 1, window((3, 2), pads=(2, 0, 0, 0))),
    ("pad_end_only", (1, 3, 3, 2), 1, window((3, 3), pads=(0, 0, 2, 2))),
    ("taps_all_in_padding", (1, 2, 2, 3), 1, window((2, 2), pads=(3, 3, 3, 3))),
    ("stride_over_kernel", (1, 7, 9, 2), 1, window((2, 2), (3, 4))),
    ("dilation2", (1, 7, 7, 2), 1, window((3, 3), dilation=(2, 2), pads=(2, 2, 2, 2))),
    ("dilation_3x2_stride2", (1, 9, 8, 3), 1, window((3, 2), (2, 2), (3, 2), (2, 1, 2, 1))),
    ("multiplier2", (1, 4, 4, 3), 2, window((3, 3), pads=(1, 1, 1, 1))),
    ("multiplier5_of_1", (1, 5, 4, 1), 5, window((2, 3), (1, 2))),
    ("multiplier8_first_layer", (1, 9, 6, 1), 8, window((5, 4), (2, 2), pads=(2, 1, 2, 1))),
    ("multiplier3_batch2", (2, 3, 3, 2), 3, window((2, 2))),
    ("conv1d", (1, 1, 19, 4), 1, window((1, 5), pads=(0, 2, 0, 2))),
    ("conv1d_tall_causal", (1, 15, 1, 3), 1, window((3, 1), dilation=(4, 1), pads=(8, 0, 0, 0))),
    ("batch2", (2, 4, 3, 5), 1, window((3, 3), pads=(1, 1, 1, 1))),
]


def signed_bytes(data, count, kind):
    if kind == "extreme":
        return data.extreme(count, (-128, 127))
    return data.uniform(count)


def weights_bytes(data, count, kind):
    if kind == "extreme":
        return data.extreme(count, (-128, -127, 127))
    return [max(-127, w) for w in data.uniform(count)]


ZERO_POINTS = [(0, 0), (-128, -128), (127, 127), (-128, 127), (127, -128), (-1, 3), (17, -20), (-128, 0)]
CLAMPS = [(-128, 127), (-128, 127), (0, 127), (-128, 0), (-30, 41), (-128, 127)]


def quantization(i):
    zx, zy = ZERO_POINTS[i % len(ZERO_POINTS)]
    low, high = CLAMPS[i % len(CLAMPS)]
    if i % 4 == 2 and zy < 64:
        low = max(low, min(zy, high))  # a fused ReLU
    return {"input_zero_point": zx, "output_zero_point": zy, "low": low, "high": high}


def conv_case(name, rounding, x, co, w, groups, index, kind):
    data = Data(name)
    shape = out_shape(x, w, co)
    kernel = w["kernel"]
    per_output = kernel[0] * kernel[1] * x[3] // groups
    attrs = window_attrs(w, True) | quantization(index) | {"groups": groups}
    inputs = [(x, signed_bytes(data, prod(x), kind))]
    weights = weights_bytes(data, co * per_output, kind)
    consts = data.fit("conv2d", inputs, attrs, weights, shape, per_channel=index % 3 != 1)
    return single_step(name, "conv2d", rounding, inputs, shape, attrs, consts)


def conv2d():
    for index, (name, x, co, w, groups) in enumerate(CONV_GEOMETRY):
        for r, rounding in enumerate(ROUNDINGS):
            kind = "extreme" if (index + r) % 2 == 0 else "uniform"
            yield "geometry", conv_case(f"{name}_{rounding}", rounding, x, co, w, groups, index + 3 * r, kind)
    # Channel counts and widths around every tile size.
    for c in range(1, 34):
        co = (c * 7) % 11 + 1
        yield "lengths", conv_case(f"pointwise_c{c}_co{co}", ROUNDINGS[c % 2], (1, 1, 3, c), co, window((1, 1)), 1,
                                   c, "extreme" if c % 3 else "uniform")
    for co in range(1, 34):
        yield "lengths", conv_case(f"pointwise_co{co}", ROUNDINGS[(co + 1) % 2], (1, 1, 2, 4), co, window((1, 1)), 1,
                                   co, "uniform" if co % 3 else "extreme")
    for width in range(1, 34):
        yield "lengths", conv_case(f"width{width}", ROUNDINGS[width % 2], (1, 1, width, 2), 3,
                                   window((1, 3), pads=(0, 1, 0, 1)), 1, width, "uniform")
    yield from accumulator_cases("conv2d")


def depthwise_case(name, rounding, x, mult, w, index, kind):
    data = Data(name)
    co = x[3] * mult
    attrs = window_attrs(w, True) | quantization(index)
    inputs, shape = [(x, signed_bytes(data, prod(x), kind))], out_shape(x, w, co)
    weights = weights_bytes(data, taps_of(w) * co, kind)
    consts = data.fit("depthwise_conv2d", inputs, attrs, weights, shape, per_channel=index % 3 != 1)
    return single_step(name, "depthwise_conv2d", rounding, inputs, shape, attrs, consts)


def depthwise_conv2d():
    for index, (name, x, mult, w) in enumerate(DEPTHWISE_GEOMETRY):
        for r, rounding in enumerate(ROUNDINGS):
            kind = "extreme" if (index + r) % 2 == 0 else "uniform"
            yield "geometry", depthwise_case(f"{name}_{rounding}", rounding, x, mult, w, index + 3 * r, kind)
    for c in range(1, 34):
        yield "lengths", depthwise_case(f"channels{c}", ROUNDINGS[c % 2], (1, 2, 3, c), 1,
                                        window((3, 3), pads=(1, 1, 1, 1)), c, "extreme" if c % 3 else "uniform")
    for width in range(1, 34):
        yield "lengths", depthwise_case(f"width{width}", ROUNDINGS[(width + 1) % 2], (1, 2, width, 1), 1,
                                        window((2, 3), pads=(0, 1, 0, 1)), width, "uniform")
    yield from accumulator_cases("depthwise_conv2d")


def accumulator_cases(op):
    """Multipliers at every corner under accumulators near +-2^31, exact ties, and clamps at both ends.

    A 1x1 kernel of one input channel: output channel oc sees bias[oc] + (x - zx) * w[oc].
    """
    co = len(CORNERS)

    def build(name, rounding, inputs, zx, zy, weights, bias, pairs, low=-128, high=127):
        attrs = window_attrs(window((1, 1)), True)
        attrs |= {"input_zero_point": zx, "output_zero_point": zy, "low": low, "high": high}
        if op == "conv2d":
            attrs["groups"] = 1
        channels = len(weights)
        consts = {"weights": weights, "bias": bias, "mantissas": [m for m, _ in pairs],
                  "shifts": [s for _, s in pairs]}
        return "numeric", single_step(name, op, rounding, [((1, 1, len(inputs), 1), inputs)],
                                      (1, 1, len(inputs), channels), attrs, consts)

    for rounding in ROUNDINGS:
        for zx, zy in ((-128, 127), (127, -128), (0, 0)):
            for sign in (1, -1):
                bias = [sign * (MAX31 - MAX_TERM)] * co
                yield build(f"bound_{'plus' if sign > 0 else 'minus'}_zx{zx}_{rounding}", rounding,
                            [-128, -1, 0, 1, 127], zx, zy, [(-128, 127, -127, 1)[i % 4] for i in range(co)], bias,
                            CORNERS)
            # Small accumulators under the same multipliers: left shifts wrap in one mode and saturate in the other.
            yield build(f"corners_zx{zx}_{rounding}", rounding, [-128, -3, -1, 0, 1, 2, 127], zx, zy,
                        [(1, -1, 127, -128)[i % 4] for i in range(co)], [(i - 9) * 5 for i in range(co)], CORNERS)
        # a * 2^30 * 2^(s - 31) = a / 2^(1 - s): every odd multiple of 2^-s is a tie. Channels 2 and 3 miss it by one.
        for shift in range(0, -7, -1):
            step = 1 << -shift
            yield build(f"ties_shift{shift}_{rounding}", rounding, list(range(-40, 41, 2)), 0, 0,
                        [step, -step, step, -step], [step, -step, step + 1, step - 1], [(1 << 30, shift)])
        for low, high in ((-128, -128), (127, 127), (-1, 0), (5, 90)):
            yield build(f"clamp_{low}_{high}_{rounding}", rounding, list(range(-128, 128, 15)), 3, 1, [127, -127],
                        [100, -100], [(1 << 30, -6), (MAX31, -7)], low, high)


POOL_CLAMPS = [(-128, 127), (-128, 127), (-20, 127), (-128, 30), (-128, 127), (-40, 70)]
POOL_GEOMETRY = [
    ("1x1", (1, 1, 1, 1), window((1, 1))),
    ("2x2", (1, 4, 6, 3), window((2, 2), (2, 2))),
    ("2x2_odd", (1, 5, 7, 2), window((2, 2), (2, 2))),
    ("3x3_same", (1, 5, 4, 3), window((3, 3), pads=(1, 1, 1, 1))),
    ("3x3_stride2_same", (1, 6, 5, 2), window((3, 3), (2, 2), pads=(0, 1, 1, 1))),
    ("global", (1, 5, 7, 6), window((5, 7))),
    ("kernel_larger", (1, 2, 3, 3), window((5, 5), pads=(2, 2, 2, 2))),
    ("stride_over_kernel", (1, 7, 9, 2), window((2, 1), (3, 4))),
    ("pad_left_top", (1, 4, 4, 2), window((3, 3), pads=(2, 2, 0, 0))),
    ("pad_end", (1, 4, 4, 2), window((3, 3), pads=(0, 0, 2, 2))),
    ("pool1d", (1, 1, 21, 2), window((1, 4), (1, 3), pads=(0, 1, 0, 1))),
    ("pool1d_tall", (1, 21, 1, 2), window((6, 1), (5, 1), pads=(2, 0, 2, 0))),
    ("batch2", (2, 4, 4, 3), window((2, 3), (2, 1))),
    ("batch3_global", (3, 2, 3, 4), window((2, 3))),
    ("wide", (1, 3, 3, 37), window((2, 2))),
]


def average_consts(kernel, real, include_pad):
    """Multipliers indexed by the number of valid taps less one."""
    count = kernel[0] * kernel[1]
    pairs = [multiplier(real / (count if include_pad else n)) for n in range(1, count + 1)]
    return {"mantissas": [m for m, _ in pairs], "shifts": [s for _, s in pairs]}


def average_pool2d():
    def build(name, rounding, x, w, index, kind, real=Fraction(1), include_pad=False):
        data = Data(name)
        zx = ZERO_POINTS[index % len(ZERO_POINTS)][0]
        zy = zx if rounding == "tflite" else clamp(round(real * zx), -128, 127)
        low, high = POOL_CLAMPS[index % len(POOL_CLAMPS)]
        attrs = window_attrs(w, False) | {"input_zero_point": zx, "output_zero_point": zy, "low": low, "high": high}
        consts = None if rounding == "tflite" else average_consts(w["kernel"], real, include_pad)
        return single_step(name, "average_pool2d", rounding, [(x, signed_bytes(data, prod(x), kind))],
                           out_shape(x, w, x[3]), attrs, consts)

    for index, (name, x, w) in enumerate(POOL_GEOMETRY):
        yield "geometry", build(f"{name}_tflite", "tflite", x, w, index, "extreme" if index % 2 else "uniform")
        yield "geometry", build(f"{name}_single", "single", x, w, index, "uniform" if index % 2 else "extreme",
                                Fraction(3 + index, 10))
        yield "geometry", build(f"{name}_include_pad", "single", x, w, index + 1, "uniform",
                                Fraction(9, 8), include_pad=True)
    for c in range(1, 34):
        yield "lengths", build(f"channels{c}", ROUNDINGS[c % 2], (1, 2, 2, c), window((2, 2)), c,
                               "uniform" if c % 3 else "extreme", Fraction(c, 20))
    # Ties: sums that end in one half, both signs.
    for rounding in ROUNDINGS:
        ties = [v for total in range(-21, 22) for v in (total // 2, total - total // 2)]
        yield "numeric", single_step(
            f"ties_of_two_{rounding}", "average_pool2d", rounding, [((1, 1, len(ties), 1), ties)],
            (1, 1, len(ties) // 2, 1),
            window_attrs(window((1, 2), (1, 2)), False)
            | {"input_zero_point": 0, "output_zero_point": 0} | FULL,
            average_consts((1, 2), Fraction(1), False) if rounding == "single" else None)
        quarters = [v for total in range(-21, 22) for v in (total // 2, total - total // 2, 127, -127)]
        yield "numeric", single_step(
            f"ties_of_four_{rounding}", "average_pool2d", rounding, [((1, len(quarters) // 4, 4, 1), quarters)],
            (1, len(quarters) // 4, 1, 1),
            window_attrs(window((1, 4)), False) | {"input_zero_point": 0, "output_zero_point": 0} | FULL,
            average_consts((1, 4), Fraction(1), False) if rounding == "single" else None)
        for value in (-128, 127):
            for low, high in ((-128, 127), (-5, 6)):
                yield "numeric", single_step(
                    f"all_{value}_clamp_{low}_{high}_{rounding}", "average_pool2d", rounding,
                    [((1, 9, 11, 2), [value] * 198)], (1, 1, 1, 2),
                    window_attrs(window((9, 11)), False)
                    | {"input_zero_point": -value - 1, "output_zero_point": -value - 1, "low": low, "high": high},
                    average_consts((9, 11), Fraction(1), False) if rounding == "single" else None)


def max_pool2d():
    def build(name, rounding, x, w, index, kind):
        data = Data(name)
        low, high = POOL_CLAMPS[index % len(POOL_CLAMPS)]
        return single_step(name, "max_pool2d", rounding, [(x, signed_bytes(data, prod(x), kind))],
                           out_shape(x, w, x[3]), window_attrs(w, False) | {"low": low, "high": high})

    for index, (name, x, w) in enumerate(POOL_GEOMETRY):
        yield "geometry", build(name, ROUNDINGS[index % 2], x, w, index, "uniform")
    for c in range(1, 34):
        yield "lengths", build(f"channels{c}", ROUNDINGS[c % 2], (1, 2, 2, c), window((2, 1)), c, "uniform")
    # Padding must not win over negative values, nor lift anything to the clamp's low end.
    yield "numeric", single_step("all_minus_128", "max_pool2d", "single", [((1, 3, 3, 2), [-128] * 18)], (1, 3, 3, 2),
                                 window_attrs(window((3, 3), pads=(1, 1, 1, 1)), False) | FULL)
    for low, high in ((-128, -128), (127, 127), (-3, 4)):
        yield "numeric", single_step(f"clamp_{low}_{high}", "max_pool2d", "tflite",
                                     [((1, 4, 4, 2), Data(f"clamp{low}").uniform(32))], (1, 2, 2, 2),
                                     window_attrs(window((2, 2), (2, 2)), False) | {"low": low, "high": high})


CASES = {"conv2d": conv2d, "depthwise_conv2d": depthwise_conv2d, "average_pool2d": average_pool2d,
         "max_pool2d": max_pool2d}
