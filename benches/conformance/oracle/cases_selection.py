"""Cases of gather, resize_bilinear, minimum, maximum, reduce_max, reduce_min, squared_difference."""

from fractions import Fraction
from math import prod

from case import FULL, RANGE, ROUNDINGS, Data, multiplier, single_step
from cases_elementwise import BROADCAST, EDGE, ZERO_POINTS, broadcast_shape, edge_pairs

MAX31 = (1 << 31) - 1


def gather():
    def build(name, x, axis, places, type="int8"):
        shape = x[:axis] + (len(places),) + x[axis + 1:]
        return single_step(name, "gather", ROUNDINGS[axis % 2],
                           [(x, Data(f"gather {name}").uniform(prod(x), type), type)], shape, {"axis": axis},
                           {"indices": places}, type=type)

    full = (2, 3, 2, 3, 1, 2)
    for rank in range(1, 7):
        for axis in range(rank):
            last = full[axis] - 1
            yield "ranks", build(f"rank{rank}_axis{axis}", full[:rank], axis, [last, 0, last, last][:rank + 1])
    for type in ("uint8", "int16", "int32"):
        yield "types", build(type, (2, 5, 3), 1, [4, 0, 2, 2], type)
    yield "indices", build("identity", (3, 7), 1, list(range(7)))
    yield "indices", build("one_of_many", (1, 40, 2), 1, [39])
    yield "indices", build("many_of_one", (3, 1, 2), 1, [0] * 9)
    yield "indices", build("doubled_rows", (1, 4, 3, 2), 1, [0, 0, 1, 1, 2, 2, 3, 3])
    yield "indices", build("mirrored", (2, 6), 1, [2, 1, 0, 1, 2, 3, 4, 5, 4, 3])
    for n in (1, 2, 3, 7, 8, 15, 16, 17, 31, 33):
        yield "lengths", build(f"block{n}", (3, n), 0, [2, 0, 1, 2])


def tflite_axis(inputs, outputs, align, half):
    """Positions and weights in units of 1 / 1024, as TensorFlow Lite computes them."""
    if align and outputs > 1:
        scale = (1024 * (inputs - 1) + (outputs - 1) // 2) // (outputs - 1)
    else:
        scale = (1024 * inputs + outputs // 2) // outputs
    places = []
    for i in range(outputs):
        at = max(i * scale + (scale // 2 - 512 if half else 0), 0)
        places.append((at >> 10, at & 1023 if at >> 10 < inputs - 1 else 0))
    return [p for p, _ in places], [w for _, w in places], 1024


def exact_axis(inputs, outputs, half):
    """Positions and weights as fractions of the smallest unit."""
    places = [max(Fraction(2 * i + 1, 2) * Fraction(inputs, outputs) - Fraction(1, 2), Fraction(0)) if half
              else Fraction(i * (inputs - 1), max(outputs - 1, 1)) for i in range(outputs)]
    places = [min(p, Fraction(inputs - 1)) for p in places]
    unit = 1
    for p in places:
        unit *= Fraction(unit * p).denominator
    return [p.__floor__() for p in places], [int((p - p.__floor__()) * unit) for p in places], unit


def resize_bilinear():
    def build(name, rounding, x, size, axes, zx=0, zy=0, pair=None, kind="uniform", bounds=FULL):
        (rows, row_weights, row_unit), (columns, column_weights, column_unit) = axes
        pair = pair or ((0, 0) if rounding == "tflite" else multiplier(Fraction(1, row_unit * column_unit)))
        data = Data(f"resize {name}")
        values = data.uniform(prod(x)) if kind == "uniform" else data.extreme(prod(x), EDGE)
        attrs = {"row_unit": row_unit, "column_unit": column_unit, "input_zero_point": zx, "output_zero_point": zy,
                 "mantissa": pair[0], "shift": pair[1]} | bounds
        consts = {"rows": rows, "row_weights": row_weights, "columns": columns, "column_weights": column_weights}
        return single_step(name, "resize_bilinear", rounding, [(x, values)], (x[0], *size, x[3]), attrs, consts)

    for x, size in (((1, 3, 4, 2), (6, 8)), ((1, 5, 4, 3), (3, 7)), ((2, 2, 2, 1), (5, 3)), ((1, 1, 1, 4), (3, 3)),
                    ((1, 4, 4, 1), (1, 1)), ((1, 7, 1, 2), (4, 5)), ((1, 2, 3, 1), (2, 3))):
        for align, half in ((0, 0), (1, 0), (0, 1)):
            axes = [tflite_axis(n, m, align, half) for n, m in zip(x[1:3], size)]
            yield "tflite", build(f"{'x'.join(map(str, x))}_to_{size[0]}x{size[1]}_{'ca'[align]}{'oh'[half]}", "tflite", x,
                                  size, axes, kind="extreme" if align else "uniform")
    for half in (0, 1):
        for i, (x, size) in enumerate((((1, 3, 4, 2), (6, 8)), ((1, 4, 3, 3), (6, 5)), ((2, 3, 2, 1), (2, 7)))):
            axes = [exact_axis(n, m, half) for n, m in zip(x[1:3], size)]
            unit = axes[0][2] * axes[1][2]
            zx, zy = ((0, 0), (-128, 127), (127, -128))[i]
            name = f"{'x'.join(map(str, x))}_to_{size[0]}x{size[1]}_{half}"
            yield "exact", build(name, "single", x, size, axes, zx, zy)
            yield "exact", build(f"{name}_scaled", "single", x, size, axes, zx, zy,
                                 multiplier(Fraction(37, 50 * unit)), "extreme", {"low": -100, "high": 99})
    # Units at their bound, all values and weights at their ends: the longest sums.
    ends = ([0, 0, 1], [0, 1 << 12, 1 << 11], 1 << 12), ([0, 0, 1], [0, 1 << 11, 1 << 10], 1 << 11)
    for zx in (-128, 127):
        for rounding in ROUNDINGS:
            yield "units", build(f"largest_zx{zx}_{rounding}", rounding, (1, 2, 2, 3), (3, 3), ends, zx, -zx - 1,
                                 kind="extreme")
    yield "units", build("halves", "single", (1, 2, 9, 1), (1, 9), (([0], [1], 2), (list(range(9)), [0] * 9, 1)), 0, 0)
    yield "units", build("mantissa_zero", "single", (1, 2, 2, 1), (2, 2), (([0, 1], [1, 0], 3), ([0, 1], [2, 0], 5)), 3, 4,
                         (0, 0))


def pairwise(op):
    def build(name, a, b, type="int8"):
        shape = broadcast_shape(a[0], b[0])
        return single_step(name, op, ROUNDINGS[len(shape) % 2], [(*a, type), (*b, type)], shape, {}, type=type)

    left, right = edge_pairs()
    yield "values", build("edges", ((11, 11), left), ((11, 11), right))
    wide = [-32768, -32767, -257, -129, -128, -1, 0, 1, 127, 128, 255, 256, 32766, 32767]
    yield "values", build("edges_int16", ((14, 1), wide), ((1, 14), wide), "int16")
    yield "values", build("one", ((1,), [5]), ((1,), [-5]))
    for i, (name, a, b) in enumerate(BROADCAST):
        data = Data(f"{op} {name}")
        type = ("int8", "int16")[i % 2]
        yield "broadcast", build(name, (a, data.uniform(prod(a), type)), (b, data.uniform(prod(b), type)), type)
    for n in (1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 33):
        data = Data(f"{op} length {n}")
        type = ("int8", "int16")[n % 2]
        yield "lengths", build(f"length{n}", ((n,), data.uniform(n, type)), ((n,), data.uniform(n, type)), type)


def reduction(op):
    def build(name, x, axes, type="int8", keep=True, values=None):
        shape = tuple(1 if axes >> axis & 1 else n for axis, n in enumerate(x)) if keep else (
            tuple(n for axis, n in enumerate(x) if not axes >> axis & 1) or (1,))
        data = Data(f"{op} {name}")
        return single_step(name, op, ROUNDINGS[len(x) % 2], [(x, values or data.uniform(prod(x), type), type)], shape,
                           {"axes": axes}, type=type)

    full = (2, 3, 2, 2, 3, 2)
    for rank in range(1, 7):
        for axes in (0, 1, 1 << rank - 1, (1 << rank) - 1, 0b010101 & (1 << rank) - 1):
            yield "axes", build(f"rank{rank}_axes{axes}", full[:rank], axes, ("int8", "int16")[rank % 2],
                                axes % 2 == 0)
    for type in ("int8", "int16"):
        low, high = RANGE[type]
        for name, values in (("lowest", [low] * 6), ("highest", [high] * 6), ("mixed", [0, low, high, -1, 1, low])):
            yield "values", build(f"{name}_{type}", (2, 3), 2, type, values=values)
    for n in (1, 2, 3, 7, 8, 15, 16, 17, 33):
        yield "lengths", build(f"inner{n}", (3, n), 1)
        yield "lengths", build(f"outer{n}", (n, 3), 1)


def unique(cases):
    """Drops cases whose name came before."""
    seen = set()
    for topic, case in cases:
        if case["name"] not in seen:
            seen.add(case["name"])
            yield topic, case


def squared_difference():
    def build(name, rounding, a, b, zeros, pairs, left_shift=7, low=-128, high=127):
        attrs = {"input1_zero_point": zeros[0], "input2_zero_point": zeros[1], "output_zero_point": zeros[2],
                 "left_shift": left_shift, "low": low, "high": high}
        for key, (m, s) in zip(("1", "2", ""), pairs):
            attrs["mantissa" + key], attrs["shift" + key] = m, s
        return single_step(name, "squared_difference", rounding, [a, b], broadcast_shape(a[0], b[0]), attrs)

    def scales(s1, s2, sy, left_shift=7):
        s1, s2, sy = map(Fraction, (s1, s2, sy))
        twice = 2 * max(s1, s2)
        return multiplier(s1 / twice), multiplier(s2 / twice), multiplier(twice * twice / (sy * 4**left_shift))

    left, right = edge_pairs()
    half = (1 << 30, 0)
    for rounding in ROUNDINGS:
        for i, (z1, z2) in enumerate(ZERO_POINTS):
            yield "numeric", build(f"edges{i}_{rounding}", rounding, ((11, 11), left), ((11, 11), right),
                                   (z1, z2, (-128, 5)[i % 2]), scales(("0.5", "0.02", 1)[i % 3], ("0.5", "0.07", "0.3")[i % 3],
                                                                     (60, "0.7", 200)[i % 3]))
        for name, pairs in {
            "mantissas_zero": ((0, 0), (0, 0), (0, 0)), "shifts_minus_31": ((MAX31, -31), (MAX31, -31), (MAX31, 30)),
            "longest": (half, half, (MAX31, -22)), "out_shift_30": ((MAX31, -9), half, (MAX31, 30)),
            "out_shift_minus_31": (half, (MAX31, -1), (MAX31, -31)), "no_headroom": (half, half, (1 << 30, -6)),
        }.items():
            yield "numeric", build(f"{name}_{rounding}", rounding, ((121,), left), ((121,), right), (127, -128, -3), pairs,
                                   0 if name == "no_headroom" else 7)
        yield "numeric", build(f"clamp_{rounding}", rounding, ((11,), EDGE), ((11,), EDGE[::-1]), (2, 3, -4),
                               scales(1, 1, 100), 7, -3, 60)
    for i, (name, a, b) in enumerate(BROADCAST):
        data = Data(f"squared_difference {name}")
        yield "broadcast", build(name, ROUNDINGS[i % 2], (a, data.uniform(prod(a))), (b, data.extreme(prod(b))),
                                 (*ZERO_POINTS[i % 6], -128), scales("0.1", "0.3", 9))


CASES = {
    "gather": gather,
    "resize_bilinear": resize_bilinear,
    "minimum": lambda: pairwise("minimum"),
    "maximum": lambda: pairwise("maximum"),
    "reduce_max": lambda: unique(reduction("reduce_max")),
    "reduce_min": lambda: unique(reduction("reduce_min")),
    "squared_difference": squared_difference,
}
