"""arith.py against its definitions: exact fractions for the roundings, 40 digits for the functions."""

import unittest
from decimal import Decimal, localcontext
from fractions import Fraction
from math import floor
from random import Random

from arith import HM, I32_MAX, I32_MIN, MB_single, MB_tflite, RD, exp5, logistic4, rec, tanh4

WORDS = [0, 1, -1, 2, -2, 3, -3, 1 << 30, -(1 << 30), (1 << 30) + 1, I32_MAX, I32_MIN, I32_MAX - 1, I32_MIN + 1]
RANDOM = Random(1)
WORDS += [RANDOM.randrange(I32_MIN, I32_MAX + 1) >> RANDOM.randrange(31) for _ in range(300)]


def half_away(x):
    return floor(x + Fraction(1, 2)) if x >= 0 else -floor(-x + Fraction(1, 2))


class Roundings(unittest.TestCase):
    def test_high_multiply_rounds_halves_upwards(self):
        for a in WORDS:
            for b in WORDS[:40]:
                exact = floor(Fraction(a * b, 1 << 31) + Fraction(1, 2))
                self.assertEqual(HM(a, b), min(exact, I32_MAX))

    def test_right_shift_rounds_halves_away_from_zero(self):
        for x in WORDS + list(range(-200, 200)):
            for s in range(32):
                self.assertEqual(RD(x, s), half_away(Fraction(x, 1 << s)))

    def test_single_rounding_saturates(self):
        for a in WORDS:
            for m in (0, 1, 1 << 30, 1518500250, I32_MAX):
                for s in range(-31, 31):
                    exact = floor(Fraction(a * m) * Fraction(2) ** (s - 31) + Fraction(1, 2))
                    self.assertEqual(MB_single(a, m, s), max(I32_MIN, min(I32_MAX, exact)))

    def test_double_rounding_is_within_one_of_single(self):
        for a in WORDS:
            for s in range(-31, 1):
                self.assertLessEqual(abs(MB_tflite(a, 1518500250, s) - MB_single(a, 1518500250, s)), 1)


class Functions(unittest.TestCase):
    """Each is the function it is named for; its last bits are a matter of definition."""

    def close(self, got, exact):
        self.assertLessEqual(abs(Decimal(got) / (1 << 31) - exact), Decimal(1) / (1 << 19))

    def test_functions(self):
        with localcontext() as context:
            context.prec = 40
            for i in range(2001):
                t = Decimal(i) / 2000
                self.close(exp5(-int(t * 31 * (1 << 26))), (-t * 31).exp())
                self.close(rec(min(I32_MAX, int(t * (1 << 31)))), 1 / (1 + t))
                v = t * 2 - 1
                word = max(I32_MIN, min(I32_MAX, int(v * (1 << 31))))
                self.close(logistic4(word), 1 / (1 + (-v * 16).exp()))
                self.close(tanh4(word), 1 - 2 / ((v * 32).exp() + 1))


if __name__ == "__main__":
    unittest.main()
