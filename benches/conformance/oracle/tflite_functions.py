"""Functions of one int8 value, and operators that normalize, for tflite_ops.py: TFLM's, and LiteRT's where TFLM has none."""

import math

import numpy as np
import arith
from tflite_ops import OPERATORS, f32, multiply, quantize_multiplier, require, round_half_away, same_quantization


def table(x, y, entry):
    values = np.array([entry(q) for q in range(-128, 128)], np.int64)
    y.store(values[x.ints + 128])


def populated(function):
    """A table that LiteRT fills with a function of f32."""

    def run(o, inputs, outputs):
        (x,), (y,) = inputs, outputs
        inverse = f32(1) / y.scale

        def entry(q):
            v = f32(f32(function(o, x.scale * f32(q - x.zero), y)) * inverse)
            if np.isinf(v):
                return 127 if v > 0 else -128
            return int(np.clip(float(round_half_away(v) + f32(y.zero)), -128, 127))

        table(x, y, entry)

    return run


def log(o, v, y):
    return f32(math.log(v)) if v > 0 else y.scale * f32(-128 - y.zero)


def gelu(o, v, y):
    if not o.approximate:
        return f32(f32(0.5) * v) * f32(math.erfc(v * f32(-math.sqrt(0.5))))
    inner = f32(math.sqrt(2 / math.pi)) * f32(v + f32(f32(f32(f32(0.044715) * v) * v) * v))
    return f32(f32(0.5) * v) * f32(f32(1) + f32(math.tanh(inner)))


def exp(o, v, y):
    with np.errstate(over="ignore"):
        return f32(math.exp(v)) if v < 700 else f32(np.inf)


def abs_(o, inputs, outputs):
    (x,), (y,) = inputs, outputs
    distance = abs(x.centred)
    scaled = distance if x.scale == y.scale else multiply(distance, quantize_multiplier(float(x.scale) / float(y.scale)))
    y.store(scaled + y.zero)


def sqrt(o, inputs, outputs):
    (x,), (y,) = inputs, outputs
    require(x.zero == -128, "an operand that can be negative")
    table(x, y, lambda q: min(int(np.sqrt(x.scale * f32(q - x.zero)) / y.scale) + y.zero, 127))


def rsqrt(o, inputs, outputs):
    (x,), (y,) = inputs, outputs
    require(x.zero == -128, "an operand that can be negative")
    m, e = quantize_multiplier(1 / (math.sqrt(float(x.scale)) * float(y.scale)))

    def entry(q):
        if q == x.zero:
            return 127
        mantissa, shift = arith.inverse_square_root(q - x.zero)
        root = arith.MB_tflite(1, mantissa, shift + 20)
        return arith.clamp(arith.MB_tflite(root, m, e - 20) + y.zero, -128, 127)

    table(x, y, entry)


def narrow_relu(low, high):
    def run(o, inputs, outputs):
        (x,), (y,) = inputs, outputs
        same_quantization(x, y)
        bounds = [y.zero + int(round_half_away(f32(b) / y.scale)) for b in (low, high)]
        y.store(np.clip(x.ints, *bounds))

    return run


def l2_normalization(o, inputs, outputs):
    (x,), (y,) = inputs, outputs
    require(y.scale == f32(1 / 128) and y.zero == 0, "output is not 1/128, 0")
    rows = []
    for row in x.centred.reshape(-1, x.shape[-1]).tolist():
        mantissa, shift = arith.inverse_square_root(sum(v * v for v in row))
        rows += [arith.MB_tflite(v, mantissa, shift + 7) for v in row]
    y.store(np.array(rows, np.int64).reshape(x.shape))


def tile(o, inputs, outputs):
    (x, repeats), (y,) = inputs, outputs
    same_quantization(x, y)
    y.store(np.tile(x.ints, tuple(repeats.value)))


OPERATORS |= {
    "ABS": abs_,
    "EXP": populated(exp),
    "GELU": populated(gelu),
    "L2_NORMALIZATION": l2_normalization,
    "LOG": populated(log),
    "RELU_0_TO_1": narrow_relu(0, 1),
    "RELU_N1_TO_1": narrow_relu(-1, 1),
    "RSQRT": rsqrt,
    "SQRT": sqrt,
    "TILE": tile,
}
