"""Cases of layer_norm, l2_norm and div."""

from fractions import Fraction
from math import prod

from case import FULL, ROUNDINGS, Data, multiplier, single_step
from cases_elementwise import BROADCAST, EDGE, MAX31, broadcast_shape, edge_pairs

ZERO_POINTS = ((0, 0), (-128, 127), (127, -128), (3, -7))


def layer_norm():
    def build(name, x, length, index, center=1, kind="uniform", scale=Fraction(1, 50), epsilon=Fraction(1, 100000),
              shift=44, beta_shift=13, bounds=FULL):
        data = Data(f"layer_norm {name}")
        k = 16
        e = round(epsilon * length * length / (scale * scale) * (1 << k))
        zx, zy = ZERO_POINTS[index % len(ZERO_POINTS)]
        reach = 60 << shift - 22
        values = data.uniform(prod(x)) if kind == "uniform" else (
            data.extreme(prod(x)) if kind == "extreme" else [kind] * prod(x))
        attrs = {"center": center, "input_zero_point": zx, "output_zero_point": zy, "variance_shift": k,
                 "epsilon_high": e >> 31, "epsilon_low": e & (1 << 31) - 1, "beta_shift": beta_shift, "shift": shift}
        gamma = [data.between(-reach, reach) for _ in range(length)]
        beta = [data.between(-(40 << shift - beta_shift), 40 << shift - beta_shift) for _ in range(length)]
        gamma, beta = ([max(min(v, (1 << 31) - 1), -(1 << 31)) for v in values_] for values_ in (gamma, beta))
        return single_step(name, "layer_norm", ROUNDINGS[index % 2], [(x, values)], x, attrs | bounds,
                           {"gamma": gamma, "beta": beta})

    for n in list(range(1, 18)) + [31, 32, 33, 64, 65]:
        yield "lengths", build(f"length{n}", (2, n), n, n, kind="extreme" if n % 3 == 0 else "uniform")
    for i, (name, x, length) in enumerate((("tokens", (1, 7, 24), 24), ("two_axes", (3, 4, 6), 24), ("image", (1, 3, 4, 8), 8),
                                           ("vector", (40,), 40), ("long", (1, 601), 601))):
        for center in (0, 1):
            yield "shapes", build(f"{name}_{'zero' if center == 0 else 'mean'}", x, length, i + center, center)
    for i, value in enumerate((-128, 0, 127)):
        for center in (0, 1):
            yield "values", build(f"constant{value}_center{center}", (2, 9), 9, i, center, value)
    for i, scale in enumerate((Fraction(1, 10000), Fraction(1, 3), Fraction(20))):
        yield "values", build(f"scale{i}", (3, 16), 16, i, scale=scale)
    yield "values", build("no_epsilon", (2, 12), 12, 1, epsilon=Fraction(0))
    yield "values", build("all_equal_without_epsilon", (2, 5), 5, 0, 1, 7, epsilon=Fraction(0))
    yield "values", build("least_shift", (2, 8), 8, 1, shift=22, beta_shift=0)
    yield "values", build("greatest_shift", (2, 8), 8, 2, shift=47, beta_shift=30)
    yield "values", build("bounds", (2, 11), 11, 3, bounds={"low": -20, "high": 31})


def l2_norm():
    def build(name, x, zx, values=None, kind="uniform", zy=0, bounds=FULL):
        data = Data(f"l2_norm {name}")
        values = values or (data.uniform(prod(x)) if kind == "uniform" else data.extreme(prod(x)))
        attrs = {"input_zero_point": zx, "output_zero_point": zy} | bounds
        return single_step(name, "l2_norm", ROUNDINGS[len(x) % 2], [(x, values)], x, attrs)

    for n in list(range(1, 10)) + [15, 16, 17, 31, 33, 100, 256]:
        yield "lengths", build(f"length{n}", (2, n), (0, -3, 127, -128)[n % 4], kind="extreme" if n % 3 == 0 else "uniform")
    for zx in (-128, 0, 127):
        for value in (-128, zx, min(zx + 1, 127), 127):
            yield "values", build(f"constant{value}_zero{zx}", (1, 5), zx, [value] * 5)
    yield "values", build("one_of_many", (1, 40), 5, [5] * 39 + [6])
    yield "values", build("largest_sum", (1, 601), 127, [-128] * 601)
    yield "values", build("bounds", (3, 6), 2, bounds={"low": -50, "high": 60}, zy=9)
    for shape in ((7,), (2, 3, 4), (1, 2, 2, 2, 3), (2, 1, 1, 2, 1, 5)):
        yield "ranks", build(f"rank{len(shape)}", shape, -20)


def div():
    def build(name, rounding, a, b, zeros, pair, low=-128, high=127):
        attrs = dict(zip(("input1_zero_point", "input2_zero_point", "output_zero_point"), zeros))
        attrs |= {"mantissa": pair[0], "shift": pair[1], "low": low, "high": high}
        return single_step(name, "div", rounding, [a, b], broadcast_shape(a[0], b[0]), attrs)

    left, right = edge_pairs()
    for i, zeros in enumerate(((0, 0, 0), (-128, -128, -128), (127, 127, -128), (-128, 127, 127), (3, -7, 12))):
        for real in (Fraction(1, 50), Fraction(13, 2), Fraction(100)):
            yield "numeric", build(f"edges{i}_times{float(real)}", ROUNDINGS[i % 2], ((11, 11), left), ((11, 11), right), zeros,
                                   multiplier(real))
    for pair in ((0, 0), (1 << 30, 0), (MAX31, 0), (1 << 30, 30), (MAX31, 30), (1 << 30, -31), (MAX31, -31), (1 << 30, 7)):
        yield "numeric", build(f"mantissa{pair[0]}_shift{pair[1]}", "single", ((121,), left), ((121,), right), (127, -128, -3),
                               pair)
    # Odd numbers over powers of two: halves.
    for k in range(4):
        yield "numeric", build(f"halves_{k}", "single", ((32,), [2 * i + 1 for i in range(-16, 16)]), ((1,), [1 << k]),
                               (0, 0, 0), (1 << 30, 0))
    yield "numeric", build("by_zero", "single", ((11,), EDGE), ((1,), [5]), (0, 5, -20), (1 << 30, 1))
    yield "numeric", build("by_zero_clamped", "tflite", ((11,), EDGE), ((1,), [5]), (0, 5, -20), (1 << 30, 1), -10, 50)
    for i, (name, a, b) in enumerate(BROADCAST):
        data = Data(f"div {name}")
        yield "broadcast", build(name, ROUNDINGS[i % 2], (a, data.uniform(prod(a))), (b, data.uniform(prod(b))), (i, -i, 1),
                                 multiplier(Fraction(20 + i)))


def unique(cases):
    """Drops cases whose name came before."""
    seen = set()
    for topic, case in cases:
        if case["name"] not in seen:
            seen.add(case["name"])
            yield topic, case


CASES = {"layer_norm": layer_norm, "l2_norm": lambda: unique(l2_norm()), "div": div}
