"""Fixed-point arithmetic on Python's exact integers: the formulas of FORMAT.md, one function each.

The int32 routines exp5, rec, logistic4 and tanh4 are gemmlowp's fixed-point functions
(fixedpoint/fixedpoint.h of github.com/google/gemmlowp), written anew from their definition.
"""

I32_MIN, I32_MAX = -(1 << 31), (1 << 31) - 1


def clamp(x, low, high):
    return max(low, min(high, x))


def sat32(x):
    return clamp(x, I32_MIN, I32_MAX)


def wrap32(x):
    """x modulo 2^32, as a signed word."""
    return ((x + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


def clz32(x):
    """Leading zero bits of a word, 0 <= x < 2^32."""
    return 32 - x.bit_length()


def div_trunc(a, b):
    """Quotient rounded towards zero."""
    q = abs(a) // abs(b)
    return q if (a < 0) == (b < 0) else -q


def HM(a, b):
    """High half of twice the product, ties upwards; saturates at the one corner."""
    return sat32((a * b + (1 << 30)) >> 31)


def RD(x, s):
    """x / 2^s, ties away from zero."""
    k = (1 << s) - 1
    return (x >> s) + int((x & k) > (k >> 1) + (x < 0))


def MB_tflite(a, m, s):
    """a * m * 2^(s - 31), rounded twice; a positive s is a left shift, which wraps."""
    return RD(HM(wrap32(a << max(s, 0)), m), max(-s, 0))


def MB_single(a, m, s):
    """a * m * 2^(s - 31), rounded once, ties upwards, saturated to a word."""
    return sat32((a * m + (1 << (30 - s))) >> (31 - s))


def MB_half_even(a, m, s):
    """As MB_single, but an exact half goes to the even neighbour."""
    quotient, rest = divmod(a * m, 1 << (31 - s))
    half = 1 << (30 - s)
    return sat32(quotient + int(rest > half or (rest == half and quotient % 2 == 1)))


def MBW_tflite(a, m, s):
    """A 64-bit accumulator times a mantissa of 16 bits, ties upwards; the low word of the result, signed."""
    assert abs(a) < 1 << 47 and s <= 7
    reduced = min((m + (1 << 15)) >> 16, 32767)
    return wrap32((a * reduced + (1 << (14 - s))) >> (15 - s))


def MBW_single(a, m, s):
    """As MB_single, of a 64-bit accumulator."""
    assert abs(a) < 1 << 47
    return MB_single(a, m, s)


MBW = {"tflite": MBW_tflite, "single": MBW_single}
MB = {"tflite": MB_tflite, "single": MB_single}


def shl_sat(x, s):
    """x * 2^s, saturated."""
    return sat32(x << s)


def exp_interval(a):
    """exp(a) for a in [-1/4, 0), both with 31 fraction bits."""
    x = a + (1 << 28)
    x2 = HM(x, x)
    x3 = HM(x2, x)
    x4 = HM(x2, x2)
    tail = RD(HM(RD(x4, 2) + x3, 715827883) + x2, 1)
    return 1895147668 + HM(1895147668, x + tail)


EXP_FACTORS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)


def exp_negative(a, integer_bits):
    """exp(a), 31 fraction bits, for a <= 0 with 31 - integer_bits fraction bits."""
    fraction_bits = 31 - integer_bits
    if a == 0:
        return I32_MAX
    quarter = 1 << (fraction_bits - 2)
    part = (a & (quarter - 1)) - quarter
    result = exp_interval(shl_sat(part, integer_bits))
    remainder = part - a
    for exponent, factor in zip(range(-2, 5), EXP_FACTORS):
        if integer_bits > exponent and remainder >> (fraction_bits + exponent) & 1:
            result = HM(result, factor)
    if integer_bits > 5 and a < -(1 << (36 - integer_bits)):
        return 0
    return result


def exp5(a):
    """exp(a) for a <= 0 with 5 integer bits."""
    return exp_negative(a, 5)


def half_sum(a, b):
    """(a + b) / 2, ties away from zero."""
    s = a + b
    return div_trunc(s + (1 if s >= 0 else -1), 2)


def newton_reciprocal(half_denominator):
    """1 / half_denominator with 29 fraction bits, for 1/2 <= half_denominator < 1 with 31."""
    x = 1515870810 + HM(half_denominator, -1010580540)
    for _ in range(3):
        x = x + shl_sat(HM(x, (1 << 29) - HM(half_denominator, x)), 2)
    return x


def rec(a):
    """1 / (1 + a) for a in [0, 1], both with 31 fraction bits."""
    return shl_sat(newton_reciprocal(half_sum(a, I32_MAX)), 1)


def rec_minus(a):
    """(1 - a) / (1 + a) for a in [0, 1], both with 31 fraction bits."""
    return shl_sat(newton_reciprocal(half_sum(a, I32_MAX)) - (1 << 29), 2)


def logistic4(a):
    """1 / (1 + exp(-a)) with 31 fraction bits, for a with 4 integer bits."""
    if a == 0:
        return 1 << 30
    positive = rec(exp_negative(-abs(a), 4))
    return positive if a > 0 else I32_MAX - positive


def tanh4(a):
    """tanh(a) with 31 fraction bits, for a with 4 integer bits."""
    if a == 0:
        return 0
    # exp(-2|a|): the same word read with 5 integer bits.
    positive = rec_minus(exp_negative(-abs(a), 5))
    return positive if a > 0 else -positive


def inverse_square_root(a):
    """(mantissa, shift) of 1 / sqrt(a), as TensorFlow Lite computes it; 1 for a <= 1."""
    if a <= 1:
        return I32_MAX, 0
    right = 11
    while a >= 1 << 29:
        a, right = a // 4, right + 1
    pairs = (clz32(a) - 1) // 2 - 1
    right -= pairs
    half = RD(a << 2 * pairs >> 1, 1)
    x = 1 << 28
    for _ in range(5):
        cube = shl_sat(HM(HM(x, x), x), 6)
        x = shl_sat(HM(3 << 27, x) - HM(half, cube), 3)
    mantissa = HM(x, 1518500250)
    return (mantissa << -right, 0) if right < 0 else (mantissa, -right)
