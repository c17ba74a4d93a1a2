"""Writes dps310.txt: coefficient bytes, oversampling code, raw pressure and temperature, hundredths of a pascal, thousandths of a degree.

    python3 dps310.py > dps310.txt

The polynomial of the datasheet's chapter 4.9 in fractions, rounded half up.
"""

import math
import random
from fractions import Fraction

SCALES = (524288, 1572864, 3670016, 7864320, 253952, 516096, 1040384, 2088960)


def field(value, bits):
    return format(value % 2**bits, f"0{bits}b")


def rounded(value):
    return math.floor(value + Fraction(1, 2))


random.seed(310)
for case in range(200):
    # Of the size that chips have.
    c0, c1 = random.randint(150, 250), random.randint(-300, -200)
    c00, c10 = random.randint(70_000, 110_000), random.randint(-70_000, -40_000)
    c01, c11 = random.randint(-4_000, -2_000), random.randint(500, 2_000)
    c20, c21, c30 = random.randint(-15_000, -5_000), random.randint(-500, 500), random.randint(-2_500, 500)
    bits = field(c0, 12) + field(c1, 12) + field(c00, 20) + field(c10, 20)
    bits += "".join(field(c, 16) for c in (c01, c11, c20, c21, c30))
    code = case % 8
    scale = SCALES[code]
    raw_p, raw_t = random.randint(-scale, scale // 2), random.randint(-scale // 2, scale)
    p, t = Fraction(raw_p, scale), Fraction(raw_t, scale)
    pressure = c00 + p * (c10 + p * (c20 + p * c30)) + t * c01 + t * p * (c11 + p * c21)
    temperature = Fraction(c0, 2) + c1 * t
    coefficients = format(int(bits, 2), "036x")
    print(coefficients, code, raw_p, raw_t, rounded(pressure * 100), rounded(temperature * 1000))
