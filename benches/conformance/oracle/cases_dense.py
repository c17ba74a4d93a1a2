"""Cases of weights of four bits, transposed convolutions and products of matrices."""

from math import prod

import cases_i16
from case import FULL, ROUNDINGS, Data, multiplier, single_step
from cases_window import (
    CONV_GEOMETRY,
    CORNERS,
    DEPTHWISE_GEOMETRY,
    MAX31,
    ZERO_POINTS,
    out_shape,
    quantization,
    signed_bytes,
    taps_of,
    weights_bytes,
    window,
    window_attrs,
)
from ops import pack_nibbles

# Every second geometry of the operators with weights of eight bits; the odd ones leave half a byte over.
CONV4 = [c for i, c in enumerate(CONV_GEOMETRY) if i % 2 == 0 or c[0].startswith("groups")]
DEPTHWISE4 = [c for i, c in enumerate(DEPTHWISE_GEOMETRY) if i % 2 == 0 or c[0].startswith("multiplier")]


def nibbles(data, count, kind):
    return data.extreme(count, (-8, 7)) if kind == "extreme" else [data.between(-8, 7) for _ in range(count)]


def four_bits(name, op, rounding, inputs, shape, attrs, count, index, kind, data):
    """A step with `count` weights of four bits whose outputs spread over the range."""
    weights = nibbles(data, count, kind)
    consts = data.fit(op, inputs, attrs, weights, shape, per_channel=index % 3 != 1)
    consts["weights"] = pack_nibbles(weights)
    return single_step(name, f"{op}_i4", rounding, inputs, shape, attrs, consts)


def kinds(index):
    return ROUNDINGS[index % 2], "extreme" if index % 3 == 0 else "uniform"


def conv2d_i4():
    for index, (name, x, co, w, groups) in enumerate(CONV4):
        rounding, kind = kinds(index)
        data = Data(f"{name}_i4")
        attrs = window_attrs(w, True) | quantization(index) | {"groups": groups}
        inputs = [(x, signed_bytes(data, prod(x), kind))]
        count = co * taps_of(w) * x[3] // groups
        yield "geometry", four_bits(name, "conv2d", rounding, inputs, out_shape(x, w, co), attrs, count, index, kind, data)
    for c in range(1, 10):
        rounding, kind = kinds(c)
        data = Data(f"pointwise_{c}_i4")
        attrs = window_attrs(window((1, 1)), True) | quantization(c) | {"groups": 1}
        inputs = [((1, 1, 3, c), signed_bytes(data, 3 * c, kind))]
        yield "lengths", four_bits(f"pointwise_c{c}", "conv2d", rounding, inputs, (1, 1, 3, 5), attrs, 5 * c, c, kind, data)
    yield from at_the_bound("conv2d_i4")


def depthwise_conv2d_i4():
    for index, (name, x, mult, w) in enumerate(DEPTHWISE4):
        rounding, kind = kinds(index)
        data = Data(f"{name}_i4")
        attrs, co = window_attrs(w, True) | quantization(index), x[3] * mult
        inputs = [(x, signed_bytes(data, prod(x), kind))]
        yield "geometry", four_bits(
            name, "depthwise_conv2d", rounding, inputs, out_shape(x, w, co), attrs, taps_of(w) * co, index, kind, data)
    for c in range(1, 10):
        rounding, kind = kinds(c)
        data, w = Data(f"channels_{c}_i4"), window((1, 3), pads=(0, 1, 0, 1))
        inputs = [((1, 1, 4, c), signed_bytes(data, 4 * c, kind))]
        yield "lengths", four_bits(f"channels{c}", "depthwise_conv2d", rounding, inputs, (1, 1, 4, c),
                                   window_attrs(w, True) | quantization(c), 3 * c, c, kind, data)
    yield from at_the_bound("depthwise_conv2d_i4")


def fully_connected_i4():
    for index, (shape, depth, units) in enumerate([
        ((1, 1), 1, 1), ((1, 9), 9, 1), ((3, 1), 1, 2), ((2, 8), 8, 3), ((3, 7), 7, 5), ((1, 2, 3, 4), 24, 3),
        ((2, 3, 5), 5, 4), ((6,), 3, 3), ((1, 64), 64, 9), ((4, 33), 33, 2),
    ]):
        for r, rounding in enumerate(ROUNDINGS):
            kind = "extreme" if (index + r) % 2 else "uniform"
            data = Data(f"dense_{index}_{rounding}_i4")
            attrs = quantization(index + r) | {"depth": depth}
            inputs = [(shape, signed_bytes(data, prod(shape), kind))]
            yield "geometry", four_bits(f"{'x'.join(map(str, shape))}_to_{units}_{rounding}", "fully_connected", rounding,
                                        inputs, (prod(shape) // depth, units), attrs, depth * units, index, kind, data)
    yield from at_the_bound("fully_connected_i4")


def at_the_bound(op):
    """One product for each of many channels, with biases that reach the last accumulator there is, at every corner of
    the multipliers."""
    for rounding in ROUNDINGS:
        for zx, zy in ((-128, 127), (127, -128)):
            for sign in (1, -1):
                channels = len(CORNERS)
                attrs = {"input_zero_point": zx, "output_zero_point": zy} | FULL
                x, shape = (1, 1, 3, 1), (1, 1, 3, channels)
                if op == "fully_connected_i4":
                    attrs, x, shape = attrs | {"depth": 1}, (3, 1), (3, channels)
                else:
                    attrs |= window_attrs(window((1, 1)), True)
                if op == "conv2d_i4":
                    attrs["groups"] = 1
                consts = {"weights": pack_nibbles([(-8, 7, -7, 1)[i % 4] for i in range(channels)]),
                          "bias": [sign * (MAX31 - 255 * 8)] * channels,
                          "mantissas": [m for m, _ in CORNERS], "shifts": [s for _, s in CORNERS]}
                yield "numeric", single_step(f"bound_{'plus' if sign > 0 else 'minus'}_zx{zx}_{rounding}", op, rounding,
                                             [(x, [-128, 0, 127])], shape, attrs, consts)


# name, input shape, output height, width and channels, window, groups
TRANSPOSED = [
    ("1x1_all", (1, 1, 1, 1), (1, 1, 1), window((1, 1)), 1),
    ("2x2_stride2", (1, 3, 4, 3), (6, 8, 4), window((2, 2), (2, 2)), 1),
    ("3x3_same", (1, 4, 3, 2), (4, 3, 3), window((3, 3), pads=(1, 1, 1, 1)), 1),
    ("3x3_stride2", (1, 3, 3, 2), (7, 7, 3), window((3, 3), (2, 2)), 1),
    ("3x3_stride2_same", (1, 3, 3, 4), (6, 6, 2), window((3, 3), (2, 2), pads=(0, 0, 0, 0)), 1),
    ("output_padding", (1, 3, 2, 2), (6, 4, 3), window((3, 3), (2, 2), pads=(1, 1, 0, 0)), 1),
    ("4x4_stride2_pad1", (1, 3, 3, 2), (6, 6, 3), window((4, 4), (2, 2), pads=(1, 1, 1, 1)), 1),
    ("5x3_stride_3x1", (1, 3, 4, 2), (11, 6, 2), window((5, 3), (3, 1)), 1),
    ("stride_over_kernel", (1, 3, 3, 2), (9, 9, 2), window((2, 1), (3, 3)), 1),
    ("pads_over_kernel", (1, 4, 4, 2), (3, 3, 2), window((2, 2), (2, 2), pads=(3, 2, 0, 0)), 1),
    ("beyond_every_input", (1, 2, 2, 2), (9, 7, 2), window((2, 2), (2, 2)), 1),
    ("cropped", (1, 3, 3, 2), (4, 5, 2), window((3, 3), (2, 2), pads=(1, 0, 0, 0)), 1),
    ("dilation2", (1, 3, 3, 2), (7, 7, 2), window((3, 3), dilation=(2, 2)), 1),
    ("dilation_3x2_stride_2x3", (1, 3, 2, 3), (11, 6, 2), window((3, 2), (2, 3), (3, 2)), 1),
    ("groups2", (1, 3, 3, 4), (6, 6, 6), window((3, 3), (2, 2)), 2),
    ("groups_as_depthwise", (1, 3, 2, 5), (6, 4, 5), window((2, 2), (2, 2)), 5),
    ("row", (1, 1, 9, 3), (1, 18, 2), window((1, 4), (1, 2), pads=(0, 1, 0, 0)), 1),
    ("column", (1, 7, 1, 3), (21, 1, 2), window((5, 1), (3, 1), pads=(1, 0, 0, 0)), 1),
    ("batch2", (2, 2, 3, 3), (4, 6, 2), window((3, 3), (2, 2), pads=(0, 1, 0, 0)), 1),
]


def transpose_conv2d():
    for index, (name, x, (height, width, co), w, groups) in enumerate(TRANSPOSED):
        for r, rounding in enumerate(ROUNDINGS):
            kind = "extreme" if (index + r) % 2 == 0 else "uniform"
            data = Data(f"{name}_{rounding}_transposed")
            attrs = window_attrs(w, True) | quantization(index + 3 * r) | {"groups": groups}
            inputs, shape = [(x, signed_bytes(data, prod(x), kind))], (x[0], height, width, co)
            weights = weights_bytes(data, co * taps_of(w) * x[3] // groups, kind)
            consts = data.fit("transpose_conv2d", inputs, attrs, weights, shape, per_channel=index % 3 != 1)
            yield "geometry", single_step(f"{name}_{rounding}", "transpose_conv2d", rounding, inputs, shape, attrs, consts)
    for c in range(1, 10):
        rounding, kind = kinds(c)
        data, w = Data(f"transposed_{c}"), window((1, 2), (1, 2))
        attrs = window_attrs(w, True) | quantization(c) | {"groups": 1}
        inputs, shape = [((1, 1, 2, c), signed_bytes(data, 2 * c, kind))], (1, 1, 4, 3)
        consts = data.fit("transpose_conv2d", inputs, attrs, weights_bytes(data, 6 * c, kind), shape)
        yield "lengths", single_step(f"channels{c}", "transpose_conv2d", rounding, inputs, shape, attrs, consts)


# name, shapes, transposed, output shape
MATMUL = [
    ("1x1", ((1, 1), (1, 1)), (0, 0), (1, 1)),
    ("2d", ((3, 5), (5, 4)), (0, 0), (3, 4)),
    ("transpose1", ((2, 5, 3), (2, 5, 4)), (1, 0), (2, 3, 4)),
    ("transpose2", ((2, 3, 5), (2, 4, 5)), (0, 1), (2, 3, 4)),
    ("transpose_both", ((2, 5, 3), (2, 4, 5)), (1, 1), (2, 3, 4)),
    ("heads", ((1, 2, 6, 4), (1, 2, 6, 4)), (0, 1), (1, 2, 6, 6)),
    ("broadcast_left", ((1, 3, 5), (4, 5, 2)), (0, 0), (4, 3, 2)),
    ("broadcast_right", ((4, 3, 5), (1, 5, 2)), (0, 0), (4, 3, 2)),
    ("broadcast_both_ways", ((2, 1, 3, 4), (3, 4, 2)), (0, 0), (2, 3, 3, 2)),
    ("one_matrix", ((2, 3, 2, 4), (4, 3)), (0, 0), (2, 3, 2, 3)),
    ("repeated", ((1, 2, 3), (3, 2)), (0, 0), (3, 2, 2)),
    ("six_axes", ((1, 2, 1, 2, 2, 3), (2, 1, 2, 1, 3, 2)), (0, 0), (2, 2, 2, 2, 2, 2)),
    ("row_by_column", ((1, 19), (19, 1)), (0, 0), (1, 1)),
    ("column_by_row", ((5, 1), (1, 4)), (0, 0), (5, 4)),
]


def matmul(name, rounding, shapes, transposed, shape, index, kind, reach=None):
    data = Data(f"{name}_{rounding}_matmul")
    (z1, z2), (zy, _) = ZERO_POINTS[index % len(ZERO_POINTS)], ZERO_POINTS[(index + 3) % len(ZERO_POINTS)]
    q = quantization(index)
    depth = shapes[0][-2 if transposed[0] else -1]
    mantissa, shift = multiplier(reach or 1 / (60 * depth**0.5 if kind == "uniform" else 90 * depth))
    attrs = {"transpose1": transposed[0], "transpose2": transposed[1], "input1_zero_point": z1, "input2_zero_point": z2,
             "output_zero_point": zy, "mantissa": mantissa, "shift": shift, "low": q["low"], "high": q["high"]}
    inputs = [(s, signed_bytes(data, prod(s), kind)) for s in shapes]
    return single_step(f"{name}_{rounding}", "batch_matmul", rounding, inputs, shape, attrs)


def batch_matmul():
    for index, (name, shapes, transposed, shape) in enumerate(MATMUL):
        for r, rounding in enumerate(ROUNDINGS):
            kind = "extreme" if (index + r) % 2 == 0 else "uniform"
            yield "geometry", matmul(name, rounding, shapes, transposed, shape, index + 3 * r, kind)
    for k in (2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33):
        rounding, kind = kinds(k)
        yield "lengths", matmul(f"depth{k}", rounding, ((2, k), (k, 3)), (0, k % 2 and 0), (2, 3), k, kind)
    for index, (mantissa, shift) in enumerate(CORNERS):
        for rounding in ROUNDINGS[index % 2 :: 2]:
            attrs = {"transpose1": 0, "transpose2": 0, "input1_zero_point": -128, "input2_zero_point": 127,
                     "output_zero_point": 5, "mantissa": mantissa, "shift": shift} | FULL
            inputs = [((3, 4), [127] * 4 + [-128] * 4 + [-127, 0, 1, 126]), ((4, 2), [-128, 127, -128, 126] * 2)]
            yield "numeric", single_step(f"corner_{mantissa}_{shift}_{rounding}", "batch_matmul", rounding, inputs, (3, 2),
                                         attrs)


def transpose_conv2d_i16():
    co = len(cases_i16.CORNERS)
    attrs = window_attrs(window((1, 1)), True) | {"groups": 1} | cases_i16.FULL
    for rounding in ROUNDINGS:
        for name, bias in (("plus", cases_i16.MAX_WIDE - cases_i16.MAX_TERM), ("minus", cases_i16.MAX_TERM - cases_i16.MAX_WIDE)):
            consts = {"weights": [(-128, 127, 1, -1)[i % 4] for i in range(co)], "bias": [bias] * co,
                      "mantissas": [m for m, _ in cases_i16.CORNERS], "shifts": [s for _, s in cases_i16.CORNERS]}
            yield "numeric", cases_i16.step(f"bound_{name}_{rounding}", "transpose_conv2d", rounding,
                                            [((1, 1, 3, 1), [-32768, 1, 32767])], (1, 1, 3, co), attrs, consts)
    for index, (name, x, (height, width, co), w, groups) in enumerate(TRANSPOSED):
        attrs = window_attrs(w, True) | {"groups": groups}
        count = co * taps_of(w) * x[3] // groups
        yield "geometry", cases_i16.weighted(name, "transpose_conv2d", index, x, (x[0], height, width, co), attrs, count)


def batch_matmul_i16():
    for index, (mantissa, shift) in enumerate(cases_i16.CORNERS):
        for rounding in ROUNDINGS[index % 2 :: 2]:
            attrs = {"transpose1": 0, "transpose2": 0, "mantissa": mantissa, "shift": shift} | cases_i16.FULL
            inputs = [((3, 4), [-32768] * 4 + [32767] * 4 + [-1, 0, 1, 2]), ((4, 2), [-32768, 32767, -32768, 1] * 2)]
            yield "numeric", cases_i16.step(f"corner_{mantissa}_{shift}_{rounding}", "batch_matmul", rounding, inputs, (3, 2),
                                            attrs)
    for index, (name, shapes, transposed, shape) in enumerate(MATMUL):
        rounding, kind = kinds(index)
        data = Data(f"{name}_i16_matmul")
        depth = shapes[0][-2 if transposed[0] else -1]
        mantissa, shift = multiplier(1 / (24000 * depth**0.5 if kind == "uniform" else 30000 * depth))
        attrs = {"transpose1": transposed[0], "transpose2": transposed[1], "mantissa": mantissa, "shift": shift}
        inputs = [(s, cases_i16.values(data, prod(s), kind)) for s in shapes]
        yield "geometry", cases_i16.step(name, "batch_matmul", rounding, inputs, shape, attrs | cases_i16.bounds(index))


CASES = {"conv2d_i4": conv2d_i4, "depthwise_conv2d_i4": depthwise_conv2d_i4, "fully_connected_i4": fully_connected_i4,
         "transpose_conv2d": transpose_conv2d, "transpose_conv2d_i16": transpose_conv2d_i16, "batch_matmul": batch_matmul,
         "batch_matmul_i16": batch_matmul_i16}
