"""Cases of fully_connected, mean and softmax."""

from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from math import prod

from arith import clamp
from case import FULL, ROUNDINGS, Data, multiplier, single_step
from cases_window import CORNERS, MAX31, MAX_TERM, POOL_CLAMPS, ZERO_POINTS, quantization, signed_bytes, weights_bytes


def fully_connected():
    def build(name, rounding, x, m, index, kind, k=None):
        data = Data(name)
        k = k or x[-1]
        rows = prod(x) // k
        shape = x[:-1] + (m,) if k == x[-1] else (rows, m)
        inputs, attrs = [(x, signed_bytes(data, prod(x), kind))], quantization(index)
        consts = data.fit("fully_connected", inputs, attrs, weights_bytes(data, m * k, kind), shape,
                          per_channel=index % 3 != 1)
        return single_step(name, "fully_connected", rounding, inputs, shape, attrs, consts)

    for k in range(1, 34):
        yield "lengths", build(f"k{k}", ROUNDINGS[k % 2], (1, k), k * 5 % 7 + 1, k, "extreme" if k % 3 else "uniform")
    for m in range(1, 34):
        yield "lengths", build(f"m{m}", ROUNDINGS[(m + 1) % 2], (1, 5), m, m, "uniform" if m % 3 else "extreme")
    for rows in range(1, 10):
        yield "lengths", build(f"rows{rows}", ROUNDINGS[rows % 2], (rows, 6), 5, rows, "uniform")
    for r, rounding in enumerate(ROUNDINGS):
        for index, (name, x, m, k) in enumerate([
            ("one", (1, 1), 1, None), ("rank1", (9,), 4, 9), ("rank3", (2, 3, 7), 5, None),
            ("rank4_last", (1, 2, 2, 6), 3, None), ("flattened", (1, 3, 2, 5), 4, 30), ("flattened_batch", (2, 2, 9), 3, 18),
            ("rank6", (1, 2, 1, 2, 1, 5), 2, None), ("long", (1, 601), 3, None), ("tall", (1, 3), 130, None),
        ]):
            yield "geometry", build(f"{name}_{rounding}", rounding, x, m, index + 3 * r,
                                    "extreme" if (index + r) % 2 else "uniform", k)
        co = len(CORNERS)
        for zx, zy in ((-128, 127), (127, -128), (0, 0)):
            for sign in (1, -1):
                weights = [(-128, 127, -127, 1)[i % 4] for i in range(3 * co)]
                rows = [(-128, 127, -128), (127, 127, 127), (0, -1, 1)]
                yield "numeric", single_step(
                    f"bound_{'plus' if sign > 0 else 'minus'}_zx{zx}_{rounding}", "fully_connected", rounding,
                    [((3, 3), [v for row in rows for v in row])], (3, co),
                    {"input_zero_point": zx, "output_zero_point": zy} | FULL,
                    {"weights": weights, "bias": [sign * (MAX31 - 3 * MAX_TERM)] * co, "mantissas": [m for m, _ in CORNERS],
                     "shifts": [s for _, s in CORNERS]})
        # Every weight at -128 and every input at an end: the longest reach of one product.
        for x in (-128, 127):
            for zx in (-128, 127, 0):
                yield "numeric", single_step(
                    f"saturated_x{x}_zx{zx}_{rounding}", "fully_connected", rounding, [((1, 64), [x] * 64)], (1, 3),
                    {"input_zero_point": zx, "output_zero_point": clamp(-zx, -128, 127)} | FULL,
                    {"weights": [-128] * 64 + [127] * 64 + [-127] * 64, "bias": [0, 7, -7],
                     "mantissas": [1 << 30, MAX31, 1518500250], "shifts": [-13, -14, -13]})


def mean():
    def build(name, rounding, x, axes, index, kind, real=Fraction(1), keep=True, quant=None):
        data = Data(name)
        count = prod(n for axis, n in enumerate(x) if axes >> axis & 1)
        mantissa, shift = multiplier(Fraction(real))
        if rounding == "tflite":
            # The mantissa divided by the count, as TFLM does it: not normalised.
            h = min(count.bit_length() - 1, 32, 31 + shift)
            mantissa, shift = (mantissa << h) // count, shift - h
        else:
            mantissa, shift = multiplier(Fraction(real) / count)
        if quant is None:
            zx = ZERO_POINTS[index % len(ZERO_POINTS)][0]
            low, high = POOL_CLAMPS[index % len(POOL_CLAMPS)]
            quant = {"input_zero_point": zx, "output_zero_point": clamp(round(real * zx), -128, 127), "low": low,
                     "high": high}
        shape = tuple(1 if axes >> axis & 1 else n for axis, n in enumerate(x)) if keep else (
            tuple(n for axis, n in enumerate(x) if not axes >> axis & 1) or (1,))
        values = [kind] * prod(x) if isinstance(kind, int) else signed_bytes(data, prod(x), kind)
        return single_step(name, "mean", rounding, [(x, values)], shape,
                           {"axes": axes, "mantissa": mantissa, "shift": shift} | quant)

    shapes = [
        ("spatial", (1, 5, 7, 3), 0b0110), ("spatial_batch2", (2, 3, 4, 5), 0b0110), ("channels", (1, 3, 4, 7), 0b1000),
        ("height", (1, 6, 3, 2), 0b0010), ("width", (1, 3, 6, 2), 0b0100), ("batch", (5, 2, 3, 2), 0b0001),
        ("all", (2, 3, 2, 3), 0b1111), ("outer_and_inner", (3, 2, 4), 0b101), ("rank1", (13,), 0b1),
        ("rank2", (4, 9), 0b10), ("rank5", (2, 3, 2, 2, 3), 0b10101), ("rank6", (2, 2, 3, 1, 2, 3), 0b011010),
        ("one", (1, 1, 1, 1), 0b0110), ("large", (1, 31, 33, 1), 0b0110), ("wide", (1, 2, 2, 37), 0b0110),
    ]
    for index, (name, x, axes) in enumerate(shapes):
        for r, rounding in enumerate(ROUNDINGS):
            yield "geometry", build(f"{name}_{rounding}", rounding, x, axes, index + r,
                                    "extreme" if (index + r) % 2 else "uniform",
                                    Fraction(7 + 5 * (index + r) % 9, 8))
    for n in range(1, 34):
        yield "lengths", build(f"count{n}", ROUNDINGS[n % 2], (1, 1, n, 2), 0b0100, n, "uniform", Fraction(n + 3, 20))
    for rounding in ROUNDINGS:
        for n in (2, 3, 4, 5, 7, 8, 16, 32):
            # Sums around halves of the count.
            values = []
            for total in range(-2 * n, 2 * n + 1):
                values += [total // n + (1 if i < total % n else 0) for i in range(n)]
            count = len(values) // n
            case = build(f"ties_of_{n}_{rounding}", rounding, (1, count, n, 1), 0b0100, 0, 0, quant={
                "input_zero_point": 0, "output_zero_point": 0} | FULL)
            attrs = case["steps"][0]["attrs"]
            yield "numeric", single_step(case["name"], "mean", rounding, [((1, count, n, 1), values)],
                                         (1, count, 1, 1), attrs)
        for value in (-128, 127):
            for zx, zy in ((-128, 127), (127, -128), (0, 0)):
                yield "numeric", build(f"all_{value}_zx{zx}_{rounding}", rounding, (1, 9, 8, 2), 0b0110, 0, value,
                                       quant={"input_zero_point": zx, "output_zero_point": zy} | FULL)
    # The result without the reduced axes.
    for index, (name, x, axes) in enumerate(shapes[:8]):
        yield "geometry", build(f"{name}_dropped", ROUNDINGS[index % 2], x, axes, index, "uniform", keep=False)


def exponentials(scale):
    """round(exp(-d * scale) * 2^23) for d = 0..255."""
    with localcontext() as context:
        context.prec = 60
        scale = Decimal(scale)
        return [int(((-scale * d).exp() * (1 << 23)).to_integral_value(ROUND_HALF_UP)) for d in range(256)]


# Scale and differences to the greatest value, found by search: a unit less in the argument of exp5 (the first four) or a
# sum of exponentials rounded down (the others) changes an output.
SOFTMAX_NEAR_TIES = [
    ("2357/12500", (0, -23, -11, -2, -53, -9)), ("12303/50000", (0, -37, -21, -50, -40, -43)),
    ("257/1000", (0, -20, -55, -40, -52, -55)), ("13821/100000", (0, -19, -56, -23, -34, -46)),
    ("7639/25000", (0, -2, -18, -42)), ("18561/50000", (0, -42, -30, -34, -34, -8)),
    ("31007/100000", (0, -27, -17, -33, -16, -15)), ("1869/6250", (0, -35, -6, -40)),
]


def softmax():
    def build(name, rounding, shape, values, scale):
        if rounding == "tflite":
            real = min(Fraction(scale) * (1 << 26), Fraction(MAX31))
            mantissa, shift = multiplier(real)
            attrs = {"mantissa": mantissa, "shift": shift, "diff_min": -((31 << 26) >> shift),
                     "output_zero_point": -128}
            consts = None
        else:
            mantissa, shift = multiplier(Fraction(256, 1 << 24))
            attrs = {"mantissa": mantissa, "shift": shift, "diff_min": 0, "output_zero_point": -128}
            consts = {"exponentials": exponentials(scale)}
        return single_step(name, "softmax", rounding, [(shape, values)], shape, attrs, consts)

    scales = ("0.00390625", "0.02", "0.1", "0.0235", "1", "0.5", "3.7", "0.0001")
    for rounding in ROUNDINGS:
        lengths = range(1, 34) if rounding == "tflite" else (1, 2, 3, 4, 5, 8, 12, 16, 17, 33)
        for n in lengths:
            yield "lengths", build(f"length{n}_{rounding}", rounding, (1, n),
                                   Data(f"softmax {n}").extreme(n) if n % 4 == 3 else Data(f"softmax {n}").uniform(n),
                                   scales[n % 4])
        for i, scale in enumerate(scales + ("15.9",)):
            rows = [[-128] * 12, [127] * 12, [127] + [-128] * 11, [-128] * 11 + [127], [127, 126] + [-128] * 10,
                    list(range(-6, 6)), list(range(-128, 128, 22)), [127 - j * j for j in range(12)]]
            yield "numeric", build(f"rows_scale{scale}_{rounding}", rounding, (8, 12), [v for row in rows for v in row],
                                   scale)
        yield "numeric", build(f"every_difference_{rounding}", rounding, (1, 256), list(range(-128, 128)), "0.04")
        # The sum of exponentials at its largest: just below 2^28, beyond which the last shift of tflite is undefined; for
        # single far beyond a signed word.
        longest = 511 if rounding == "tflite" else 600
        yield "numeric", build(f"equal{longest}_{rounding}", rounding, (1, longest), [-5] * longest, "1")
        for rank in (1, 3, 4, 5, 6):
            shape = (1, 2, 1, 2, 1, 2)[:rank - 1] + (5,)
            yield "ranks", build(f"rank{rank}_{rounding}", rounding, shape, Data(f"softmax rank{rank}").uniform(prod(shape)),
                                 "0.05")
    for i, (scale, differences) in enumerate(SOFTMAX_NEAR_TIES):
        for top in (127, -60):
            yield "numeric", build(f"near_tie{i}_top{top}", "tflite", (1, len(differences)),
                                   [top + d for d in differences], scale)
    # The smallest difference that counts, given: on it, one below, one above.
    mantissa, shift = multiplier(Fraction(1, 10) * (1 << 26))
    yield "numeric", single_step("diff_min_tflite", "softmax", "tflite", [((3, 4), [20, 10, 9, 11] * 3)], (3, 4),
                                 {"mantissa": mantissa, "shift": shift, "diff_min": -10, "output_zero_point": -128})
    # Probabilities of some 2^-24 in units of 2^-24: every bit of the quotient shows.
    yield "numeric", single_step("quotient_single", "softmax", "single",
                                 [((2, 50), [127] + list(range(-2, -51, -1)) + [100, 100] + list(range(-40, -88, -1)))],
                                 (2, 50), {"mantissa": 1 << 30, "shift": 1, "diff_min": 0, "output_zero_point": -128},
                                 {"exponentials": exponentials("0.1")})
    # Another output scale and zero point.
    for zero_point, real in ((0, Fraction(127)), (127, Fraction(256)), (-128, Fraction(1)), (3, Fraction(1000))):
        mantissa, shift = multiplier(real / (1 << 24))
        yield "numeric", single_step(f"output_zero_point{zero_point}_single", "softmax", "single",
                                     [((4, 6), Data(f"softmax zp {zero_point}").uniform(24))], (4, 6),
                                     {"mantissa": mantissa, "shift": shift, "diff_min": 0,
                                      "output_zero_point": zero_point}, {"exponentials": exponentials("0.03")})


CASES = {"fully_connected": fully_connected, "mean": mean, "softmax": softmax}
