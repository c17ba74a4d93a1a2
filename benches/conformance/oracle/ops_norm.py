"""The operators that normalize or divide, on Python's exact integers."""

from math import isqrt

from arith import MB_tflite, clamp, inverse_square_root
from ops import broadcast


def layer_norm(inputs, attrs, consts, rounding, shape):
    ((_, data),) = inputs
    length = len(consts["gamma"])
    k, h = attrs["variance_shift"], attrs["shift"]
    epsilon = (attrs["epsilon_high"] << 31) + attrs["epsilon_low"]
    out = []
    for begin in range(0, len(data), length):
        d = [x - attrs["input_zero_point"] for x in data[begin:begin + length]]
        total = sum(d) if attrs["center"] else 0
        variance = length * sum(v * v for v in d) - total * total
        big = max((variance << k) + epsilon, 1)
        f = (64 - big.bit_length()) // 2
        reciprocal = (1 << 63) // isqrt(big << 2 * f)
        t = 41 - k // 2 - f
        for v, gamma, beta in zip(d, consts["gamma"], consts["beta"]):
            n = ((length * v - total) * reciprocal + (1 << (t - 1))) >> t
            assert abs(n) <= 1 << 30
            y = (n * gamma + (beta << attrs["beta_shift"]) + (1 << (h - 1))) >> h
            out.append(clamp(y + attrs["output_zero_point"], attrs["low"], attrs["high"]))
    return out


def l2_norm(inputs, attrs, consts, rounding, shape):
    ((_, data),) = inputs
    out = []
    for begin in range(0, len(data), shape[-1]):
        d = [x - attrs["input_zero_point"] for x in data[begin:begin + shape[-1]]]
        mantissa, shift = inverse_square_root(sum(v * v for v in d))
        out += [clamp(MB_tflite(v, mantissa, shift + 7) + attrs["output_zero_point"], attrs["low"], attrs["high"])
                for v in d]
    return out


def div(inputs, attrs, consts, rounding, shape):
    out = []
    for x1, x2 in broadcast(inputs, shape):
        n, d = x1 - attrs["input1_zero_point"], x2 - attrs["input2_zero_point"]
        if d == 0:
            value = (n > 0) - (n < 0) << 40
        else:
            n, d = (n, d) if d > 0 else (-n, -d)
            half = 1 << 30 - attrs["shift"]
            value = (n * attrs["mantissa"] // d + half) >> 31 - attrs["shift"]
        out.append(clamp(value + attrs["output_zero_point"], attrs["low"], attrs["high"]))
    return out


OPS = {"layer_norm": layer_norm, "l2_norm": l2_norm, "div": div}
