"""Cases of the operators of int16 activations: extremes first, then geometry and lengths."""

from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from math import prod

from case import ROUNDINGS, Data, multiplier, single_step
from cases_elementwise import BROADCAST, broadcast_shape, sum_attrs
from cases_window import (
    CONV_GEOMETRY,
    DEPTHWISE_GEOMETRY,
    MAX31,
    POOL_GEOMETRY,
    average_consts,
    out_shape,
    taps_of,
    weights_bytes,
    window,
    window_attrs,
)
from ops import SUMS

FULL = {"low": -32768, "high": 32767}
CLAMPS = [(-32768, 32767), (-32768, 32767), (0, 32767), (-32768, 0), (-5000, 7001)]
# Accumulators stay below this.
MAX_WIDE = (1 << 47) - 1
MAX_TERM = 1 << 22
EDGE = [-32768, -32767, -16385, -16384, -129, -128, -2, -1, 0, 1, 2, 127, 128, 255, 16383, 16384, 32766, 32767]
# (mantissa, shift): corners of the wide multiplication; the mantissas around those that round to 16 bits.
CORNERS = [(0, 0), (1 << 30, 0), (MAX31, 0), (1 << 30, 7), (MAX31, 7), (1 << 30, -31), (MAX31, -31), (1 << 30, -7)]
CORNERS += [(0x7FFEFFFF, -20), (0x7FFF0000, -20), (0x40007FFF, -24), (0x40008000, -24), (1234567891, -22), (0, -31)]


def bounds(i):
    return dict(zip(("low", "high"), CLAMPS[i % len(CLAMPS)]))


def values(data, count, kind):
    return data.extreme(count, (-32768, 32767)) if kind == "extreme" else data.uniform(count, "int16")


def kinds(i):
    return ROUNDINGS[i % 2], "extreme" if i % 3 == 0 else "uniform"


def step(name, op, rounding, inputs, shape, attrs, consts=None):
    inputs = [(shape, data, "int16") for shape, data in inputs]
    return single_step(name, f"{op}_i16", rounding, inputs, shape, attrs, consts, "int16")


def fit(data, op, inputs, attrs, weights, shape, per_channel):
    """Constants under which the outputs spread over the range, a few beyond it."""
    sums = SUMS[op](inputs, attrs | {"input_zero_point": 0}, weights, shape)
    columns = [sums[c :: shape[-1]] for c in range(shape[-1])]
    reaches = [max(1 << 10, max(map(abs, column))) for column in columns]
    reals = [Fraction(36000 * data.between(800, 1200), 1000 * reach) for reach in reaches]
    pairs = [multiplier(real) for real in reals][: None if per_channel else 1]
    bias = [data.between(-reach // 3, reach // 3) for reach in reaches]
    return {"weights": weights, "bias": bias, "mantissas": [m for m, _ in pairs], "shifts": [s for _, s in pairs]}


def weighted(name, op, i, x, shape, attrs, count, bits=64):
    rounding, kind = kinds(i)
    data = Data(f"{op} {name} i16")
    inputs = [(x, values(data, prod(x), kind))]
    consts = fit(data, op, inputs, attrs, weights_bytes(data, count, kind), shape, i % 3 != 1)
    if op == "conv2d":
        attrs = attrs | {"accumulator_bits": bits}
    return step(name, op, "tflite" if bits == 32 else rounding, inputs, shape, attrs | bounds(i), consts)


def at_the_bound(op):
    """Multipliers at their corners under accumulators near +-2^47, and under small ones."""
    co = len(CORNERS)
    attrs = {} if op == "fully_connected" else window_attrs(window((1, 1)), True)
    x = (5, 1) if op == "fully_connected" else (1, 1, 5, 1)
    if op == "conv2d":
        attrs |= {"groups": 1, "accumulator_bits": 64}
    for rounding in ROUNDINGS:
        for name, bias in (
            ("plus", [MAX_WIDE - MAX_TERM] * co),
            ("minus", [MAX_TERM - MAX_WIDE] * co),
            ("small", [(i - 7) * 3 for i in range(co)]),
        ):
            consts = {"weights": [(-128, 127, 1, -1)[i % 4] for i in range(co)], "bias": bias}
            consts |= {"mantissas": [m for m, _ in CORNERS], "shifts": [s for _, s in CORNERS]}
            inputs = [(x, [-32768, -1, 0, 1, 32767])]
            shape = x[:-1] + (co,)
            yield "numeric", step(f"bound_{name}_{rounding}", op, rounding, inputs, shape, attrs | FULL, consts)


def conv2d():
    yield from at_the_bound("conv2d")
    for i, (name, x, co, w, groups) in enumerate(CONV_GEOMETRY):
        attrs = window_attrs(w, True) | {"groups": groups}
        count = co * taps_of(w) * x[3] // groups
        if i % 2 == 0 or groups > 1:
            yield "geometry", weighted(name, "conv2d", i, x, out_shape(x, w, co), attrs, count)
        if i % 4 == 1:
            yield "geometry", weighted(f"{name}_32", "conv2d", i, x, out_shape(x, w, co), attrs, count, 32)
    # Accumulators that leave 32 bits, where 32 count.
    consts = {"weights": [127, -128], "bias": [(1 << 31) - 100, -(1 << 31)], "mantissas": [MAX31, 1 << 30]}
    attrs = window_attrs(window((1, 1)), True) | {"groups": 1, "accumulator_bits": 32} | FULL
    yield "numeric", step("wraps_32", "conv2d", "tflite", [((1, 1, 18, 1), EDGE)], (1, 1, 18, 2), attrs,
                          consts | {"shifts": [-16, 1]})
    for c in range(1, 10):
        attrs = window_attrs(window((1, 1)), True) | {"groups": 1}
        yield "lengths", weighted(f"pointwise_c{c}", "conv2d", c, (1, 1, 3, c), (1, 1, 3, 5), attrs, 5 * c)


def depthwise_conv2d():
    yield from at_the_bound("depthwise_conv2d")
    for i, (name, x, multiplier, w) in enumerate(DEPTHWISE_GEOMETRY):
        if i % 2 == 0 or multiplier > 1:
            co = x[3] * multiplier
            yield "geometry", weighted(name, "depthwise_conv2d", i, x, out_shape(x, w, co), window_attrs(w, True),
                                       taps_of(w) * co)
    for c in range(1, 10):
        w = window((3, 3), pads=(1, 1, 1, 1))
        yield "lengths", weighted(f"channels{c}", "depthwise_conv2d", c, (1, 2, 3, c), (1, 2, 3, c),
                                  window_attrs(w, True), 9 * c)


def fully_connected():
    yield from at_the_bound("fully_connected")
    for k in range(1, 18):
        m = k * 5 % 7 + 1
        yield "lengths", weighted(f"k{k}", "fully_connected", k, (2, k), (2, m), {}, m * k)
    for i, (name, x, m, k) in enumerate([("flattened", (1, 3, 2, 5), 4, 30), ("rank3", (2, 3, 7), 5, 7), ("long", (1, 601), 2, 601)]):
        shape = x[:-1] + (m,) if k == x[-1] else (prod(x) // k, m)
        yield "geometry", weighted(name, "fully_connected", i, x, shape, {}, m * k)


def average_pool2d():
    def build(name, i, x, w, data, real=Fraction(1)):
        rounding = ROUNDINGS[i % 2]
        consts = average_consts(w["kernel"], real, False) if rounding == "single" else None
        return step(name, "average_pool2d", rounding, [(x, data)], out_shape(x, w, x[3]), window_attrs(w, False) | bounds(i), consts)

    for i, (name, x, w) in enumerate(POOL_GEOMETRY):
        for j in (i, i + 1):
            data = values(Data(f"average {name} {j}"), prod(x), kinds(j)[1])
            yield "geometry", build(f"{name}_{ROUNDINGS[j % 2]}", j, x, w, data, Fraction(12 + i, 16))
    for i, value in enumerate((-32768, -32768, 32767, 32767)):
        yield "numeric", build(f"all_{value}_{i % 2}", i, (1, 16, 15, 2), window((16, 15)), [value] * 480)
    ties = [v for total in range(-21, 22) for v in (total // 2, total - total // 2)]
    for i in range(2):
        yield "numeric", build(f"ties_{i}", i, (1, 1, len(ties), 1), window((1, 2), (1, 2)), ties)


def max_pool2d():
    for i, (name, x, w) in enumerate(POOL_GEOMETRY):
        data = values(Data(f"max {name}"), prod(x), kinds(i)[1])
        attrs = window_attrs(w, False) | bounds(i)
        yield "geometry", step(name, "max_pool2d", ROUNDINGS[i % 2], [(x, data)], out_shape(x, w, x[3]), attrs)
    # Padding must not win over negative values.
    w = window((3, 3), pads=(1, 1, 1, 1))
    yield "numeric", step("all_least", "max_pool2d", "single", [((1, 3, 3, 2), [-32768] * 18)], (1, 3, 3, 2),
                          window_attrs(w, False) | FULL)


def mean():
    def build(name, i, x, axes, data, real=Fraction(1)):
        rounding = ROUNDINGS[i % 2]
        count = prod(n for axis, n in enumerate(x) if axes >> axis & 1)
        mantissa, shift = multiplier(real)
        if rounding == "tflite":
            h = min(count.bit_length() - 1, 32, 31 + shift)
            mantissa, shift = (mantissa << h) // count, shift - h
        else:
            mantissa, shift = multiplier(real / count)
        shape = tuple(1 if axes >> axis & 1 else n for axis, n in enumerate(x))
        attrs = {"axes": axes, "mantissa": mantissa, "shift": shift} | bounds(i)
        return step(name, "mean", rounding, [(x, data)], shape, attrs)

    shapes = [("spatial", (1, 5, 7, 3), 0b0110), ("batch", (5, 2, 3, 2), 0b0001), ("all", (2, 3, 2, 3), 0b1111),
              ("channels", (1, 3, 4, 7), 0b1000), ("rank6", (2, 2, 3, 1, 2, 3), 0b011010), ("large", (1, 31, 16, 1), 0b0110)]
    for i, (name, x, axes) in enumerate(shapes):
        for j in (i, i + 1):
            data = values(Data(f"mean {name} {j}"), prod(x), kinds(j)[1])
            yield "geometry", build(f"{name}_{ROUNDINGS[j % 2]}", j, x, axes, data, Fraction(12 + j, 16))
    for i, value in enumerate((-32768, -32768, 32767, 32767)):
        yield "numeric", build(f"all_{value}_{i % 2}", i, (1, 16, 15, 2), 0b0110, [value] * 480)
    for n in range(1, 10):
        yield "lengths", build(f"count{n}", n, (1, 1, n, 2), 0b0100, values(Data(f"mean {n}"), 2 * n, "uniform"))


SCALES = [(1, 1, 2), ("0.037", "0.11", "0.13"), ("0.5", "0.0004", "0.55"), (1, 3, 4), ("7/3", 1, 3)]


def wide_sum(scales, left_shift=15):
    return {k: v for k, v in sum_attrs((0, 0, 0), scales, left_shift).items() if "zero_point" not in k}


def pairs():
    return [a for a in EDGE for _ in EDGE], [b for _ in EDGE for b in EDGE]


def add_or_sub(op):
    left, right = pairs()
    shape = (len(left),)
    for i, scales in enumerate(SCALES):
        for rounding in ROUNDINGS:
            yield "numeric", step(f"edges{i}_{rounding}", op, rounding, [(shape, left), (shape, right)], shape,
                                  wide_sum(scales) | bounds(i))
    for rounding in ROUNDINGS:
        # Multipliers just below one: the widest sum.
        attrs = wide_sum((1, 1, 2)) | {"mantissa1": MAX31, "shift1": 0, "mantissa2": MAX31, "shift2": 0} | FULL
        yield "numeric", step(f"widest_{rounding}", op, rounding, [(shape, left), (shape, right)], shape, attrs)
        yield "numeric", step(f"left_shift0_{rounding}", op, rounding, [(shape, left), (shape, right)], shape,
                              wide_sum((1, 2, 3), 0) | FULL)
    for i, (name, a, b) in enumerate(BROADCAST):
        data = Data(f"{op} {name} i16")
        inputs = [(a, values(data, prod(a), "uniform")), (b, values(data, prod(b), "extreme"))]
        yield "broadcast", step(name, op, ROUNDINGS[i % 2], inputs, broadcast_shape(a, b),
                                wide_sum(SCALES[i % len(SCALES)]) | bounds(i))


def mul():
    left, right = pairs()
    shape = (len(left),)
    for i, pair in enumerate([(1 << 30, -14), (MAX31, -16), (1518500250, -15), (MAX31, 0), (0, 0), (MAX31, -31), (1 << 30, -1)]):
        for rounding in ROUNDINGS:
            yield "numeric", step(f"edges{i}_{rounding}", "mul", rounding, [(shape, left), (shape, right)], shape,
                                  dict(zip(("mantissa", "shift"), pair)) | bounds(i))
    for i, (name, a, b) in enumerate(BROADCAST):
        data = Data(f"mul {name} i16")
        inputs = [(a, values(data, prod(a), "uniform")), (b, values(data, prod(b), "extreme"))]
        yield "broadcast", step(name, "mul", ROUNDINGS[i % 2], inputs, broadcast_shape(a, b),
                                {"mantissa": 1518500250, "shift": -15} | bounds(i))


def lut():
    for bits in (12, 11, 9, 7):
        entries = (1 << (16 - bits)) + 1
        tables = {"random": Data(f"lut {bits}").uniform(entries, "int16"),
                  "jumps": [(-32768, 32767)[i % 2] for i in range(entries)]}
        for i, (name, table) in enumerate(tables.items()):
            edges = sorted({max(-32768, min(32767, e + d)) for e in EDGE for d in (-1, 0, 1, 63, 64)})
            data = edges + Data(f"lut x {bits}").uniform(40, "int16")
            yield "tables", step(f"{name}_{bits}", "lut", ROUNDINGS[i], [((len(data),), data)], (len(data),),
                                 {"interpolated_bits": bits}, {"table": table})
    table = Data("lut lengths").uniform(17, "int16")
    for n in range(1, 10):
        x = values(Data(f"lut length {n}"), n, "uniform")
        yield "lengths", step(f"length{n}", "lut", "single", [((n,), x)], (n,), {"interpolated_bits": 12}, {"table": table})
    x = values(Data("lut image"), 60, "uniform")
    yield "lengths", step("image", "lut", "tflite", [((1, 4, 5, 3), x)], (1, 4, 5, 3), {"interpolated_bits": 12}, {"table": table})


def rounded(x):
    return int(x.to_integral_value(ROUND_HALF_UP))


def sigmoid_table():
    """1 / (1 + exp(-i / 24)) in 16 fraction bits, less 2^15."""
    with localcontext() as context:
        context.prec = 40
        return [rounded(65536 / (1 + (Decimal(-i) / 24).exp())) - 32768 for i in range(256)]


def sigmoid():
    table = sigmoid_table()
    data = EDGE + [v for k in range(1, 15) for v in (-(1 << k) - 1, 1 << k, 3 << k)] + list(range(-9, 10))
    data = [v for v in data if -32768 <= v <= 32767] + Data("sigmoid").uniform(40, "int16")
    for tanh in (0, 1):
        for factor, shift in ((3, 0), (6, 0), (16384, 14), (32767, 0), (32767, 31), (20132, 12), (20132, 18), (0, 0)):
            attrs = {"tanh": tanh, "multiplier": factor, "right_shift": shift}
            yield "numeric", step(f"tanh{tanh}_{factor}_{shift}", "sigmoid", ROUNDINGS[tanh], [((len(data),), data)],
                                  (len(data),), attrs, {"table": table})
    # Tables that no sigmoid has: the line falls and rises.
    jumps = [(-32768, 32767)[i % 2] for i in range(256)]
    for tanh in (0, 1):
        attrs = {"tanh": tanh, "multiplier": 3, "right_shift": 0}
        yield "numeric", step(f"jumps_tanh{tanh}", "sigmoid", "single", [((len(data),), data)], (len(data),), attrs,
                              {"table": jumps})
        case = step(f"image_tanh{tanh}", "sigmoid", "tflite", [((1, 3, 4, 2), data[:24])], (1, 3, 4, 2), attrs,
                    {"table": table})
        yield "numeric", case | {"small": tanh == 0}


def softmax_tables():
    with localcontext() as context:
        context.prec = 40
        exponentials = [rounded((Decimal(10 * i) / 512 - 10).exp() * 32768) for i in range(513)]
        reciprocals = [rounded(32768 / (1 + Decimal(i) / 512)) for i in range(513)]
    return [min(t, 32767) for t in exponentials + reciprocals]


def softmax_exponentials(scale):
    with localcontext() as context:
        context.prec = 60
        steps = [256 * i for i in range(256)] + list(range(256))
        return [rounded((-Decimal(scale) * d).exp() * (1 << 30)) for d in steps]


def softmax():
    tables = softmax_tables()

    def build(name, rounding, shape, data, scale):
        if rounding == "tflite":
            pair, consts = multiplier(Fraction(scale) * Fraction(65535, 10)), {"tables": tables}
        else:
            pair, consts = multiplier(Fraction(32768, 1 << 30)), {"exponentials": softmax_exponentials(scale)}
        return step(name, "softmax", rounding, [(shape, data)], shape, dict(zip(("mantissa", "shift"), pair)), consts)

    rows = [[-32768] * 6, [32767] * 6, [32767] + [-32768] * 5, [32767, 32766, 32765, 0, -1, -32768], [5, 4, 3, 2, 1, 0],
            [100 - 37 * i * i for i in range(6)]]
    edges = [v for row in rows for v in row]
    for rounding in ROUNDINGS:
        for i, scale in enumerate(("0.0003", "0.00002", "0.01")):
            case = build(f"rows_scale{scale}_{rounding}", rounding, (6, 6), edges, scale)
            yield "numeric", case | {"small": i == 0 and rounding == "single"}
        x = values(Data("softmax i16"), 24, "uniform")
        yield "numeric", build(f"rank4_{rounding}", rounding, (1, 2, 3, 4), x, "0.0001")
        yield "numeric", build(f"one_{rounding}", rounding, (3, 1), [-32768, 0, 32767], "0.001")
        yield "numeric", build(f"equal_{rounding}", rounding, (1, 900), [7] * 900, "0.001")


CASES = {
    "conv2d_i16": conv2d,
    "depthwise_conv2d_i16": depthwise_conv2d,
    "fully_connected_i16": fully_connected,
    "average_pool2d_i16": average_pool2d,
    "max_pool2d_i16": max_pool2d,
    "mean_i16": mean,
    "add_i16": lambda: add_or_sub("add"),
    "sub_i16": lambda: add_or_sub("sub"),
    "mul_i16": mul,
    "lut_i16": lut,
    "sigmoid_i16": sigmoid,
    "softmax_i16": softmax,
}
