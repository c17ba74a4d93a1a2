"""Cases of add, sub, mul, lut and requantize."""

from fractions import Fraction
from math import prod

from arith import clamp
from case import FULL, RANGE, ROUNDINGS, Data, multiplier, single_step

MAX31 = (1 << 31) - 1

BROADCAST = [
    ("scalar_left", (1,), (2, 3, 4)),
    ("scalar_right", (2, 3, 4), (1, 1, 1)),
    ("channels", (2, 3, 5), (5,)),
    ("channels_left", (5,), (2, 3, 5)),
    ("rows", (3, 4, 2), (3, 1, 1)),
    ("columns", (1, 3, 4, 2), (1, 1, 4, 1)),
    ("both_ways", (3, 1, 4), (1, 5, 1)),
    ("both_ways_rank", (4, 1), (2, 1, 3)),
    ("batch", (2, 3, 2, 2), (1, 3, 2, 2)),
    ("rank1", (7,), (7,)),
    ("rank5", (2, 1, 3, 1, 2), (1, 2, 3, 2, 1)),
    ("rank6", (1, 2, 1, 3, 1, 2), (2, 1, 2, 1, 3, 2)),
    ("rank6_by_rank2", (2, 1, 2, 2, 3, 2), (3, 1)),
    ("all_ones", (1, 1, 1, 1), (1,)),
]


def broadcast_shape(a, b):
    rank = max(len(a), len(b))
    a, b = (1,) * (rank - len(a)) + tuple(a), (1,) * (rank - len(b)) + tuple(b)
    assert all(x == y or 1 in (x, y) for x, y in zip(a, b))
    return tuple(max(x, y) for x, y in zip(a, b))


EDGE = [-128, -127, -65, -2, -1, 0, 1, 2, 64, 126, 127]


def edge_pairs():
    """Every pair of the edge values, as two equally long lists."""
    pairs = [(a, b) for a in EDGE for b in EDGE]
    return [a for a, _ in pairs], [b for _, b in pairs]


def centred(op, zero_points, scales):
    """The zero points, the output's such that the output is centred."""
    z1, z2 = zero_points
    s1, s2, sy = map(Fraction, scales)
    return z1, z2, clamp(round((s1 * z1 + (s2 * z2 if op == "add" else -s2 * z2)) / sy), -128, 127)


def sum_attrs(zero_points, scales, left_shift=20):
    """Attributes of add and sub for real scales s1, s2, sy: both inputs rescaled to twice the larger scale."""
    s1, s2, sy = map(Fraction, scales)
    twice = 2 * max(s1, s2)
    attrs = dict(zip(("input1_zero_point", "input2_zero_point", "output_zero_point"), zero_points))
    attrs["left_shift"] = left_shift
    for key, real in (("1", s1 / twice), ("2", s2 / twice), ("", twice / (sy * (1 << left_shift)))):
        attrs["mantissa" + key], attrs["shift" + key] = multiplier(real)
    return attrs


ZERO_POINTS = [(0, 0), (-128, -128), (127, 127), (-128, 127), (127, -128), (3, -7)]
SCALES = [(1, 1, 2), (1, 1, "3/2"), ("0.037", "0.11", "0.13"), ("0.5", "0.0004", "0.55"), (1, 3, 4), ("7/3", 1, 3)]


def add_or_sub(op):
    def build(name, rounding, a, b, attrs, low=-128, high=127):
        shape = broadcast_shape(a[0], b[0])
        return single_step(name, op, rounding, [a, b], shape, attrs | {"low": low, "high": high})

    for r, rounding in enumerate(ROUNDINGS):
        left, right = edge_pairs()
        for i, zero_points in enumerate(ZERO_POINTS):
            scales = SCALES[(i + r) % len(SCALES)]
            low, high = ((-128, 127), (0, 127), (-128, 127), (-40, 33))[i % 4]
            yield "numeric", build(f"edges{i}_{rounding}", rounding, ((11, 11), left), ((11, 11), right),
                                   sum_attrs(centred(op, zero_points, scales), scales), low, high)
        # Equal scales and an output scale twice as large: (a + b) / 2, half of all sums tie.
        yield "numeric", build(f"ties_{rounding}", rounding, ((121,), left), ((121,), right),
                               sum_attrs((0, 0, 0), (1, 1, 2)))
        for left_shift in (0, 1, 8, 19):
            yield "numeric", build(f"left_shift{left_shift}_{rounding}", rounding, ((121,), left), ((121,), right),
                                   sum_attrs((-1, 1, 0), ("0.3", "0.2", "0.3"), left_shift))
        # Multipliers at their ends.
        for name, pairs in {
            "mantissas_zero": ((0, 0), (0, 0), (0, 0)),
            "shifts_minus_31": ((1 << 30, -31), (MAX31, -31), (1 << 30, 30)),
            "first_only": ((MAX31, 0), (0, 0), (MAX31, -20)),
            "out_shift_1": ((1 << 30, -18), (MAX31, -19), (1 << 30, 1)),
            "out_shift_30": ((MAX31, -10), (1 << 30, -9), (MAX31, 30)),
            "out_shift_minus_31": ((MAX31, 0), (MAX31, 0), (MAX31, -31)),
        }.items():
            attrs = sum_attrs((127, -128, 5), (1, 1, 1))
            for key, (m, s) in zip(("1", "2", ""), pairs):
                attrs["mantissa" + key], attrs["shift" + key] = m, s
            yield "numeric", build(f"{name}_{rounding}", rounding, ((121,), left), ((121,), right), attrs)
        for low, high in ((-128, -128), (127, 127), (-1, 0)):
            yield "numeric", build(f"clamp_{low}_{high}_{rounding}", rounding, ((11,), EDGE), ((11,), EDGE[::-1]),
                                   sum_attrs((2, 3, -4), (1, 2, 3)), low, high)
    for i, (name, a, b) in enumerate(BROADCAST):
        data = Data(f"{op} {name}")
        yield "broadcast", build(name, ROUNDINGS[i % 2], (a, data.uniform(prod(a))), (b, data.extreme(prod(b))),
                                 sum_attrs(centred(op, ZERO_POINTS[i % 6], SCALES[(i + 2) % 6]), SCALES[(i + 2) % 6]))
    for n in range(1, 34):
        data = Data(f"{op} length {n}")
        yield "lengths", build(f"length{n}", ROUNDINGS[n % 2], ((n,), data.uniform(n)), ((n,), data.uniform(n)),
                               sum_attrs(centred(op, ZERO_POINTS[n % 6], SCALES[n // 6]), SCALES[n // 6]))


def add():
    return add_or_sub("add")


def sub():
    return add_or_sub("sub")


# Products are of one sign where both zero points are at an end: the output's zero point at the end that leaves room.
MUL_ZERO_POINTS = [(0, 0, 0), (-128, -128, -128), (127, 127, -128), (-128, 127, 127), (127, -128, 127), (3, -7, 12)]


def mul_real(zero_points):
    """A scale under which the products just fill the output."""
    reach = max(abs(a - zero_points[0]) * abs(b - zero_points[1]) for a in (-128, 127) for b in (-128, 127))
    return Fraction(260 if abs(zero_points[2]) > 100 else 130, reach)


def mul():
    def build(name, rounding, a, b, zero_points, pair, low=-128, high=127):
        attrs = dict(zip(("input1_zero_point", "input2_zero_point", "output_zero_point"), zero_points))
        attrs |= {"mantissa": pair[0], "shift": pair[1], "low": low, "high": high}
        return single_step(name, "mul", rounding, [a, b], broadcast_shape(a[0], b[0]), attrs)

    left, right = edge_pairs()
    for rounding in ROUNDINGS:
        for i, zero_points in enumerate(MUL_ZERO_POINTS):
            low, high = ((-128, 127), (0, 127), (-128, 127), (-40, 33))[i % 4]
            yield "numeric", build(f"edges{i}_{rounding}", rounding, ((11, 11), left), ((11, 11), right), zero_points,
                                   multiplier(mul_real(zero_points)), low, high)
        for pair in ((0, 0), (1 << 30, 0), (MAX31, 0), (1 << 30, 30), (MAX31, 30), (1 << 30, -31), (MAX31, -31),
                     (1 << 30, -6), (1 << 30, -8), (1 << 30, 14), (MAX31, 16), (MAX31, -15), (1 << 30, 1)):
            yield "numeric", build(f"mantissa{pair[0]}_shift{pair[1]}_{rounding}", rounding, ((121,), left),
                                   ((121,), right), (127, 127, -3), pair)
        # Products of 2^k with odd numbers: all tie.
        odd = [2 * i + 1 for i in range(-16, 16)]
        for k in range(5):
            yield "numeric", build(f"ties_{k}_{rounding}", rounding, ((32,), odd), ((1,), [1 << k]), (0, 0, 0),
                                   (1 << 30, -k))
        for low, high in ((-128, -128), (127, 127), (-1, 0)):
            yield "numeric", build(f"clamp_{low}_{high}_{rounding}", rounding, ((11,), EDGE), ((11,), EDGE[::-1]),
                                   (2, 3, -4), multiplier(Fraction(1, 50)), low, high)
    for i, (name, a, b) in enumerate(BROADCAST):
        data = Data(f"mul {name}")
        yield "broadcast", build(name, ROUNDINGS[i % 2], (a, data.uniform(prod(a))), (b, data.extreme(prod(b))),
                                 MUL_ZERO_POINTS[i % 6], multiplier(mul_real(MUL_ZERO_POINTS[i % 6])))
    for n in range(1, 34):
        data = Data(f"mul length {n}")
        yield "lengths", build(f"length{n}", ROUNDINGS[n % 2], ((n,), data.uniform(n)), ((n,), data.uniform(n)),
                               MUL_ZERO_POINTS[n % 6],
                               multiplier(mul_real(MUL_ZERO_POINTS[n % 6]) * Fraction(n + 60, 80)))


def lut():
    every = list(range(-128, 128))
    tables = {
        "identity": every,
        "reversed": every[::-1],
        "all_minus_128": [-128] * 256,
        "all_127": [127] * 256,
        "random": Data("lut table").uniform(256),
        "step": [-128] * 128 + [127] * 128,
    }
    for i, (name, table) in enumerate(tables.items()):
        yield "tables", single_step(name, "lut", ROUNDINGS[i % 2], [((16, 16), every)], (16, 16), {},
                                    {"table": table})
    table = tables["random"]
    for n in list(range(1, 20)) + [31, 32, 33]:
        yield "lengths", single_step(f"length{n}", "lut", "single", [((n,), Data(f"lut {n}").extreme(n, EDGE))], (n,),
                                     {}, {"table": table})
    for rank in range(1, 7):
        shape = (2, 1, 3, 2, 1, 2)[:rank]
        yield "ranks", single_step(f"rank{rank}", "lut", "tflite",
                                   [(shape, Data(f"lut rank {rank}").uniform(prod(shape)))], shape, {},
                                   {"table": table})


def requantize():
    def build(name, rounding, values, zx, zy, pair, types=("int8", "int8"), bounds=None, shape=None):
        low, high = bounds or RANGE[types[1]]
        return single_step(name, "requantize", rounding, [(shape or (len(values),), values, types[0])],
                           shape or (len(values),),
                           {"input_zero_point": zx, "output_zero_point": zy, "mantissa": pair[0], "shift": pair[1],
                            "low": low, "high": high}, type=types[1])

    every = list(range(-128, 128))
    wide = [-32768, -32767, -16385, -16384, -257, -256, -129, -128, -3, -2, -1, 0, 1, 2, 3, 127, 128, 255, 256, 257,
            16383, 16384, 32766, 32767]
    for rounding in ROUNDINGS:
        # Every value under 1/2, 1/4, ...: ties in both directions.
        for shift in (1, 0, -1, -2, -3, -5):
            yield "ties", build(f"half_shift{shift}_{rounding}", rounding, every, 0, 0, (1 << 30, shift))
        for zx, zy in ((-128, 127), (127, -128), (-128, -128), (127, 127)):
            yield "ties", build(f"half_zx{zx}_zy{zy}_{rounding}", rounding, every, zx, zy, (1 << 30, 0))
        for i, pair in enumerate(((0, 0), (MAX31, 0), (MAX31, 1), (1 << 30, 30), (MAX31, 30), (1 << 30, -31),
                                  (MAX31, -31), (1717986918, -1), (1288490189, 3))):
            yield "multipliers", build(f"mantissa{pair[0]}_shift{pair[1]}_{rounding}", rounding, every[::3],
                                       (0, -128, 127)[i % 3], (127, 0, -128)[i % 3], pair)
        for low, high in ((-128, -128), (127, 127), (-1, 0), (0, 90), (-70, -3)):
            yield "multipliers", build(f"clamp_{low}_{high}_{rounding}", rounding, every[::5], 3, 4,
                                       multiplier(Fraction(5, 4)), bounds=(low, high))
        third = multiplier(Fraction(1, 3))
        one = multiplier(Fraction(1))
        types = [
            ("int8", "uint8", every[::3], -128, 0, one), ("int8", "uint8", every[::3], 0, 128, third),
            ("uint8", "int8", list(range(0, 256, 3)), 128, 0, one),
            ("uint8", "int8", list(range(0, 256, 3)), 255, 60, third),
            ("uint8", "uint8", list(range(0, 256, 3)), 0, 255, one),
            ("int8", "int16", every[::3], 127, 0, multiplier(Fraction(256))),
            ("int8", "int16", every[::3], -128, -32768, multiplier(Fraction(257))),
            ("int8", "int16", every[::3], 5, 32767, multiplier(Fraction(100))),
            ("int16", "int8", wide, 0, 0, multiplier(Fraction(1, 256))),
            ("int16", "int8", wide, -32768, -128, multiplier(Fraction(1, 257))),
            ("int16", "int8", wide, 32767, 127, (1 << 30, -8)),
            ("int16", "int16", wide, 0, 0, third), ("int16", "int16", wide, 32767, -32768, one),
            ("int16", "int16", wide, -32768, 32767, (1 << 30, 0)),
        ]
        for i, (a, b, values, zx, zy, pair) in enumerate(types):
            yield "types", build(f"{a}_to_{b}_{i}_{rounding}", rounding, values, zx, zy, pair, (a, b))
    for n in range(1, 34):
        yield "lengths", build(f"length{n}", ROUNDINGS[n % 2], Data(f"requantize {n}").uniform(n), n - 17, 2 * n - 33,
                               multiplier(Fraction(n, 13)))
    for rank in range(1, 7):
        shape = (2, 1, 3, 2, 1, 2)[:rank]
        yield "lengths", build(f"rank{rank}", ROUNDINGS[rank % 2], Data(f"requantize rank {rank}").uniform(prod(shape)),
                               -1, 1, multiplier(Fraction(3, 2)), shape=shape)


CASES = {"add": add, "sub": sub, "mul": mul, "lut": lut, "requantize": requantize}
