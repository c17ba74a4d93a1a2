"""An interpreter for int8 .tflite models in exact integer arithmetic: what TFLM's reference kernels compute.

It shares nothing with the engine, the compiler or the generator of the vectors: a second opinion on every formula.
Integers are int64 arrays here; whatever must fit an i32 in the engine is checked to fit. Floats appear only where the
compiler uses them: to turn scales into multipliers and to build tables. `f32` rounds to single precision.
"""

import math

import numpy as np
from tflite_micro.python.tflite_micro.runtime import schema_fb as fb

f32 = np.float32
DTYPES = {
    fb.TensorType.INT4: np.int8,
    fb.TensorType.INT8: np.int8,
    fb.TensorType.UINT8: np.uint8,
    fb.TensorType.INT16: np.int16,
    fb.TensorType.INT32: np.int32,
    fb.TensorType.INT64: np.int64,
    fb.TensorType.FLOAT32: np.float32,
}
I32_MAX = 2**31 - 1


class Unsupported(Exception):
    """The model asks for something that no formula here covers."""


def require(condition, what):
    if not condition:
        raise Unsupported(what)


# Arithmetic.


def fits_i32(a):
    a = np.asarray(a, np.int64)
    require(np.all((a >= -(2**31)) & (a <= I32_MAX)), "accumulator leaves i32")
    return a


def round_half_away(x):
    """The integer nearest to `x`, halves away from zero, in the float type of `x`."""
    whole = np.trunc(x)
    return whole + np.copysign(type(x)(abs(x - whole) >= 0.5), x)


def quantize_multiplier(d):
    """QM: the mantissa in [2^30, 2^31) and exponent e of d = mantissa / 2^31 * 2^e; (0, 0) where d < 2^-32."""
    if d == 0:
        return 0, 0
    fraction, e = math.frexp(d)
    m = math.floor(abs(fraction) * 2**31 + 0.5)
    if m == 2**31:
        m, e = 2**30, e + 1
    return (0, 0) if e < -31 else (m if d > 0 else -m, e)


def high_mul(a, b, bits=32):
    """HM: round(a * b / 2^(bits - 1)), halves up; min * min saturates."""
    product = np.asarray(a, np.int64) * b
    return np.minimum((product + (1 << (bits - 2))) >> (bits - 1), (1 << (bits - 1)) - 1)


def round_shift(x, s):
    """RD: x / 2^s to nearest, halves away from zero."""
    x, s = np.asarray(x, np.int64), np.asarray(s)
    mask = (np.int64(1) << s) - 1
    return (x >> s) + ((x & mask) > (mask >> 1) + (x < 0))


def multiply(a, multiplier):
    """MB: a * multiplier with TFLite's double rounding. Mantissa and exponent may be arrays (one per channel)."""
    m, e = (np.asarray(part, np.int64) for part in multiplier)
    a = fits_i32(np.asarray(a, np.int64) << np.maximum(e, 0))
    return round_shift(high_mul(a, m), np.maximum(-e, 0))


def multiply_wide(a, multiplier):
    """MBW: a 64-bit accumulator times a multiplier with a mantissa of 16 bits, halves up."""
    m, e = (np.asarray(part, np.int64) for part in multiplier)
    require(np.all(e <= 7), "multiplier of 128 or more")
    require(np.all(abs(a) < 1 << 47), "accumulator leaves 48 bits")
    reduced = np.minimum((m + (1 << 15)) >> 16, 32767)
    scaled = (a * reduced + (np.int64(1) << (14 - e))) >> (15 - e)
    require(np.all(abs(scaled) < 1 << 31), "the scaled accumulator leaves i32")
    return scaled


# gemmlowp's fixed-point functions on raw int32 values; Qn has n integer bits.


def shift_saturating(x, s):
    return np.clip(np.asarray(x, np.int64) << s, -(2**31), I32_MAX)


def exp_on_negative(a, integer_bits):
    """exp(a) in Q0 for a <= 0 in Q`integer_bits`: a Taylor expansion on [-1/4, 0), then one factor per bit."""
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    a_mod = (a & (quarter - 1)) - quarter
    x = shift_saturating(a_mod, integer_bits) + (1 << 28)
    x2 = high_mul(x, x)
    x3, x4 = high_mul(x2, x), high_mul(x2, x2)
    series = round_shift(high_mul(round_shift(x4, 2) + x3, 715827883) + x2, 1)
    result = 1895147668 + high_mul(x + series, 1895147668)
    remainder = a_mod - a
    factors = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
    for exponent, factor in zip(range(-2, integer_bits), factors):
        bit = (remainder >> (fraction_bits + exponent)) & 1
        result = np.where(bit, high_mul(result, factor), result)
    return np.where(a == 0, I32_MAX, result)


def newton(a):
    """The Q2 value x with x * (1 + a) / 2 close to 1, for a in (0, 1) in Q0: three Newton-Raphson steps from 48/17."""
    half = (a + I32_MAX + 1) >> 1
    x = 1515870810 + high_mul(half, -1010580540)
    for _ in range(3):
        x = x + shift_saturating(high_mul(x, (1 << 29) - high_mul(half, x)), 2)
    return x


def reciprocal(a):
    """1 / (1 + a) in Q0."""
    return shift_saturating(newton(a), 1)


def logistic4(a):
    """The logistic function in Q0 of `a` in Q4."""
    positive = reciprocal(exp_on_negative(-abs(a), 4))
    return np.select([a == 0, a > 0], [1 << 30, positive], I32_MAX - positive)


def tanh4(a):
    """tanh in Q0 of `a` in Q4."""
    magnitude = shift_saturating(newton(exp_on_negative(-abs(a), 5)) - (1 << 29), 2)
    return np.sign(a) * magnitude


# Tensors and helpers.


def unpack_int4(packed):
    """Two values of each byte, the one in the low half first."""
    return np.stack([packed << 4 >> 4, packed >> 4], -1).reshape(-1)


class Tensor:
    """A tensor of the file, with its value once known."""

    def __init__(self, record, buffers):
        self.name = record.name.decode() if record.name else "?"
        self.shape = tuple(int(n) for n in (record.shape if record.shape is not None else ()))
        require(record.type in DTYPES, f"element type {record.type} of {self.name}")
        self.dtype = DTYPES[record.type]
        q = record.quantization
        self.scales = np.asarray(q.scale, f32) if q is not None and q.scale is not None else None
        self.zero_points = np.asarray(q.zeroPoint, np.int64) if self.scales is not None else None
        raw = buffers[record.buffer].data
        self.value = None
        if raw is not None and len(raw):
            values = np.frombuffer(bytes(raw), self.dtype)
            if record.type == fb.TensorType.INT4:
                values = unpack_int4(values)[: math.prod(self.shape)]
            self.value = values.reshape(self.shape)

    @property
    def scale(self):
        require(self.scales is not None and len(self.scales) == 1, f"{self.name} has no per-tensor scale")
        return self.scales[0]

    @property
    def zero(self):
        require(len(set(self.zero_points)) == 1, f"{self.name} has several zero points")
        return int(self.zero_points[0])

    @property
    def ints(self):
        return self.value.astype(np.int64)

    @property
    def centred(self):
        return self.ints - self.zero

    def store(self, value):
        """Clamps integers to the element type; the value must have the shape of the file."""
        require(value.shape == self.shape, f"{self.name}: {value.shape} is not {self.shape}")
        if self.dtype is not f32:
            info = np.iinfo(self.dtype)
            value = np.clip(value, info.min, info.max)
        self.value = value.astype(self.dtype)


def clamp_activation(values, output, activation):
    """Clamps to the range of the fused activation: real bounds divided by the scale in f32."""
    kinds = fb.ActivationFunctionType
    bounds = {kinds.NONE: (None, None), kinds.RELU: (0, None), kinds.RELU6: (0, 6), kinds.RELU_N1_TO_1: (-1, 1)}
    require(activation in bounds, f"fused activation {activation}")
    quantized = [
        None if b is None else output.zero + int(round_half_away(f32(b) / output.scale)) for b in bounds[activation]
    ]
    return values if quantized == [None, None] else np.clip(values, *quantized)


def requantize(a, d, output):
    """a * d + zero point of `output`."""
    return multiply(a, quantize_multiplier(d)) + output.zero


def same_quantization(a, b):
    require(a.scale == b.scale and a.zero == b.zero, f"{a.name} and {b.name} differ in scale or zero point")


def padding_before(size, kernel, stride, dilation, padding, out):
    """Cells of padding before the first element."""
    return max(0, (out - 1) * stride + (kernel - 1) * dilation + 1 - size) // 2 if padding == fb.Padding.SAME else 0


def windows(x, fill, kernel, stride, dilation, padding, out):
    """Yields (tap row, tap column, the input under that tap for each output pixel), `fill` outside."""
    n, h, w, c = x.shape
    before = [padding_before(*args, padding, o) for *args, o in zip((h, w), kernel, stride, dilation, out)]
    span = [(o - 1) * s + (k - 1) * d + 1 for o, s, k, d in zip(out, stride, kernel, dilation)]
    padded = np.full((n, max(span[0], h + before[0]), max(span[1], w + before[1]), c), fill, np.int64)
    padded[:, before[0] : before[0] + h, before[1] : before[1] + w] = x
    for ky in range(kernel[0]):
        for kx in range(kernel[1]):
            y0, x0 = ky * dilation[0], kx * dilation[1]
            rows = slice(y0, y0 + (out[0] - 1) * stride[0] + 1, stride[0])
            columns = slice(x0, x0 + (out[1] - 1) * stride[1] + 1, stride[1])
            yield ky, kx, padded[:, rows, columns]


# Operators: each takes (options, inputs, outputs) and stores into the outputs.


def weighted(accumulator, bias, x, w, y, activation, wide=False):
    """Adds the bias, requantizes per channel, clamps, stores."""
    accumulator = accumulator + (bias.ints if bias is not None else 0)
    multipliers = [quantize_multiplier(float(x.scale) * float(s) / float(y.scale)) for s in w.scales]
    multipliers = tuple(np.array(multipliers).T)
    if wide:
        values = multiply_wide(accumulator, multipliers)
    else:
        values = multiply(fits_i32(accumulator), multipliers) + y.zero
    y.store(clamp_activation(values, y, activation))


def symmetric(w):
    """The weights, which must have no zero point."""
    require(not w.zero_points.any(), f"{w.name}: weights with a zero point")
    return w.ints


def conv_2d(o, inputs, outputs):
    (x, w, bias), (y,) = (*inputs, None)[:3], outputs
    out_channels, kh, kw, depth = w.shape
    groups = x.shape[3] // depth
    acc = np.zeros((*y.shape[:3], groups, out_channels // groups), np.int64)
    filters = symmetric(w).reshape(groups, out_channels // groups, kh, kw, depth)
    geometry = ((kh, kw), (o.strideH, o.strideW), (o.dilationHFactor, o.dilationWFactor), o.padding, y.shape[1:3])
    for ky, kx, tap in windows(x.centred, 0, *geometry):
        acc += np.einsum("nhwgc,goc->nhwgo", tap.reshape(*tap.shape[:3], groups, depth), filters[:, :, ky, kx])
    # With a 32-bit bias the accumulator has 32 bits.
    wide = x.dtype is np.int16 and (bias is None or bias.dtype is np.int64)
    weighted(acc.reshape(y.shape), bias, x, w, y, o.fusedActivationFunction, wide)


def wide_only(x, bias):
    """Whether accumulators have 64 bits: with 16-bit inputs always, and then so have the biases."""
    wide = x.dtype is np.int16
    require(not wide or bias is None or bias.dtype is np.int64, "a 32-bit bias is read as one of 64 bits")
    return wide


def depthwise_conv_2d(o, inputs, outputs):
    (x, w, bias), (y,) = (*inputs, None)[:3], outputs
    geometry = (w.shape[1:3], (o.strideH, o.strideW), (o.dilationHFactor, o.dilationWFactor), o.padding, y.shape[1:3])
    multiplier = y.shape[3] // x.shape[3]
    filters = symmetric(w)[0]
    acc = sum(tap.repeat(multiplier, 3) * filters[ky, kx] for ky, kx, tap in windows(x.centred, 0, *geometry))
    weighted(acc, bias, x, w, y, o.fusedActivationFunction, wide_only(x, bias))


def fully_connected(o, inputs, outputs):
    (x, w, bias), (y,) = (*inputs, None)[:3], outputs
    acc = x.centred.reshape(-1, w.shape[1]) @ symmetric(w).T
    weighted(acc.reshape(y.shape), bias, x, w, y, o.fusedActivationFunction, wide_only(x, bias))


def transpose_conv(o, inputs, outputs):
    """Every input pixel is scattered over the outputs under the filter; the first operand is the output's shape."""
    (sizes, w, x, bias), (y,) = (*inputs, None)[:4], outputs
    require(tuple(sizes.value) == y.shape, "output shape")
    (h, width), (oh, ow), stride, kernel = x.shape[1:3], y.shape[1:3], (o.strideH, o.strideW), w.shape[1:3]
    filters, acc = symmetric(w), np.zeros(y.shape, np.int64)
    top, left = [
        padding_before(out, k, s, 1, o.padding, -(-out // s)) for out, k, s in zip((oh, ow), kernel, stride)
    ]
    for iy, ix, ky, kx in np.ndindex(h, width, *kernel):
        oy, ox = iy * stride[0] - top + ky, ix * stride[1] - left + kx
        if 0 <= oy < oh and 0 <= ox < ow:
            acc[:, oy, ox] += x.centred[:, iy, ix] @ filters[:, ky, kx].T
    weighted(acc, bias, x, w, y, o.fusedActivationFunction, wide_only(x, bias))


def batch_matmul(o, inputs, outputs):
    (a, b), (y,) = inputs, outputs
    left = a.centred.swapaxes(-1, -2) if o.adjX else a.centred
    right = b.centred.swapaxes(-1, -2) if o.adjY else b.centred
    d = float(a.scale) * float(b.scale) / float(y.scale)
    wide = a.dtype is np.int16
    y.store(multiply_wide(left @ right, quantize_multiplier(d)) if wide else requantize(left @ right, d, y))


def pool_geometry(o, y):
    return (o.filterHeight, o.filterWidth), (o.strideH, o.strideW), (1, 1), o.padding, y.shape[1:3]


def average_pool_2d(o, inputs, outputs):
    (x,), (y,) = inputs, outputs
    same_quantization(x, y)
    total = sum(tap for _, _, tap in windows(x.ints, 0, *pool_geometry(o, y)))
    count = sum(tap for _, _, tap in windows(np.ones_like(x.ints), 0, *pool_geometry(o, y)))
    values = np.sign(total) * ((abs(total) + count // 2) // count)
    y.store(clamp_activation(values, y, o.fusedActivationFunction))


def max_pool_2d(o, inputs, outputs):
    (x,), (y,) = inputs, outputs
    same_quantization(x, y)
    values = np.max([tap for _, _, tap in windows(x.ints, np.iinfo(x.dtype).min, *pool_geometry(o, y))], axis=0)
    y.store(clamp_activation(values, y, o.fusedActivationFunction))


def mean(o, inputs, outputs):
    (x, axes), (y,) = inputs, outputs
    reduced = tuple({int(a) % len(x.shape) for a in axes.value.ravel()})
    n = math.prod(x.shape[a] for a in reduced)
    m, e = quantize_multiplier(float(x.scale) / float(y.scale))
    shift = min(n.bit_length() - 1, 32, 31 + e)
    total = x.ints.sum(reduced, keepdims=bool(o.keepDims)) - x.zero * n
    y.store(multiply(total, ((m << shift) // n, e - shift)) + y.zero)


def add_or_sub(sign):
    def run(o, inputs, outputs):
        (a, b), (y,) = inputs, outputs
        headroom = 15 if a.dtype is np.int16 else 20
        twice = 2 * float(max(a.scale, b.scale))
        parts = [multiply(t.centred << headroom, quantize_multiplier(float(t.scale) / twice)) for t in (a, b)]
        d = twice / (2.0**headroom * float(y.scale))
        require(d < 1, "output multiplier of one or more")
        values = requantize(parts[0] + sign * parts[1], d, y)
        y.store(clamp_activation(values, y, o.fusedActivationFunction))

    return run


def mul(o, inputs, outputs):
    (a, b), (y,) = inputs, outputs
    values = requantize(a.centred * b.centred, float(a.scale) * float(b.scale) / float(y.scale), y)
    y.store(clamp_activation(values, y, o.fusedActivationFunction))


def relu(o, inputs, outputs):
    (x,), (y,) = inputs, outputs
    y.store(np.maximum(requantize(x.centred, float(x.scale) / float(y.scale), y), y.zero))


def relu6(o, inputs, outputs):
    (x,), (y,) = inputs, outputs
    same_quantization(x, y)
    y.store(clamp_activation(x.ints, y, fb.ActivationFunctionType.RELU6))


def leaky_relu(o, inputs, outputs):
    (x,), (y,) = inputs, outputs
    positive = requantize(x.centred, float(x.scale) / float(y.scale), y)
    negative = requantize(x.centred, float(x.scale) * float(f32(o.alpha)) / float(y.scale), y)
    y.store(np.where(x.centred >= 0, positive, negative))


def prelu(o, inputs, outputs):
    (x, alpha), (y,) = inputs, outputs
    positive = requantize(x.centred, float(x.scale) / float(y.scale), y)
    product = x.centred * alpha.centred
    negative = requantize(product, float(x.scale) * float(alpha.scale) / float(y.scale), y)
    y.store(np.where(x.centred >= 0, positive, negative))


def hard_swish(o, inputs, outputs):
    (x,), (y,) = inputs, outputs
    (out_m, out_e), (relu_m, relu_e) = [
        quantize_multiplier(float(x.scale) / 128 / s) for s in (float(y.scale), 3 / 32768)
    ]
    require(out_e <= 0, "output scale finer than 1/128 of the input scale")
    out_m, relu_m = [min((m + (1 << 15)) >> 16, 32767) for m in (out_m, relu_m)]
    saturate = lambda v: np.clip(v, -32768, 32767)
    value = x.centred << 7
    gate = saturate(value << max(relu_e - 1, 0))
    gate = high_mul(gate, relu_m, bits=16)
    gate = round_shift(saturate(gate << (relu_e > 0)), max(-relu_e, 0))
    gate = (gate + 32768) >> 1
    product = gate * high_mul(value, out_m, bits=16)
    y.store(round_shift(np.sign(product) * (abs(product) >> 15), -out_e) + y.zero)


def table_of_16(x, function, output_shift, output_zero):
    """LOGISTIC and TANH: the input in Q4, saturated outside (-16, 16)."""
    m, e = quantize_multiplier(float(x.scale) * 2.0**27)
    radius = math.floor(15 * 2.0**27 / 2.0**e)
    inside = np.clip(x.centred, 1 - radius, radius - 1) if radius > 0 else x.centred * 0
    values = round_shift(function(multiply(inside, (m, e))), output_shift) + output_zero
    return np.select([x.centred <= -radius, x.centred >= radius], [-128, 127], values)


def logistic(o, inputs, outputs):
    (x,), (y,) = inputs, outputs
    require(y.scale == f32(1 / 256) and y.zero == -128, "output is not 1/256, -128")
    y.store(table_of_16(x, logistic4, 23, -128))


def tanh(o, inputs, outputs):
    (x,), (y,) = inputs, outputs
    require(y.scale == f32(1 / 128) and y.zero == 0, "output is not 1/128, 0")
    y.store(table_of_16(x, tanh4, 24, 0))


def elu(o, inputs, outputs):
    (x,), (y,) = inputs, outputs
    inverse = f32(1) / y.scale

    def entry(q):
        v = x.scale * f32(q - x.zero)
        # expf is taken as correctly rounded.
        v = f32(f32(math.exp(v)) - f32(1)) if v < 0 else v
        return int(round_half_away(v * inverse) + f32(y.zero))

    table = np.array([entry(q) for q in range(-128, 128)])
    y.store(table[x.ints + 128])


def softmax(o, inputs, outputs):
    (x,), (y,) = inputs, outputs
    require(y.scale == f32(1 / 256) and y.zero == -128, "output is not 1/256, -128")
    m, e = quantize_multiplier(min(float(f32(o.beta)) * float(x.scale) * 2.0**26, float(I32_MAX)))
    smallest = -math.floor(31 * 2.0**26 / 2.0**e)
    difference = x.ints - x.ints.max(-1, keepdims=True)
    inside = difference >= smallest
    exps = exp_on_negative(high_mul(fits_i32(np.where(inside, difference, 0) << e), m), 5)
    total = np.where(inside, round_shift(exps, 12), 0).sum(-1, keepdims=True)
    zeros = 32 - np.vectorize(lambda t: int(t).bit_length())(total)
    scale = reciprocal((total << zeros) - 2**31)
    y.store(np.where(inside, round_shift(high_mul(scale, exps), 35 - zeros) - 128, -128))


def quantize(o, inputs, outputs):
    (x,), (y,) = inputs, outputs
    if x.dtype is f32:
        rounded = np.array([int(round_half_away(v)) for v in (x.value / y.scale).ravel()], np.int64)
        return y.store(rounded.reshape(x.shape) + y.zero)
    y.store(requantize(x.centred, float(x.scale) / float(y.scale), y))


def dequantize(o, inputs, outputs):
    (x,), (y,) = inputs, outputs
    y.store((float(x.scale) * x.centred).astype(f32))


# Operators that move data.


def pad(o, inputs, outputs):
    (x, pads, *fill), (y,) = inputs, outputs
    for other in (y, *fill):
        same_quantization(x, other)
    value = int(fill[0].value.ravel()[0]) if fill else y.zero
    y.store(np.pad(x.ints, pads.value.reshape(-1, 2), constant_values=value))


def concatenation(o, inputs, outputs):
    (y,) = outputs
    for x in inputs:
        same_quantization(x, y)
    require(o.fusedActivationFunction == fb.ActivationFunctionType.NONE, "fused activation")
    y.store(np.concatenate([x.ints for x in inputs], o.axis))


def cut(x, sizes, axis, outputs):
    for y, part in zip(outputs, np.split(x.ints, np.cumsum(sizes)[:-1], axis)):
        same_quantization(x, y)
        y.store(part)


def split(o, inputs, outputs):
    axis, x = inputs
    axis = int(axis.value.ravel()[0])
    cut(x, [x.shape[axis] // len(outputs)] * len(outputs), axis, outputs)


def split_v(o, inputs, outputs):
    x, sizes, axis = inputs
    cut(x, sizes.value, int(axis.value.ravel()[0]), outputs)


def pack(o, inputs, outputs):
    (y,) = outputs
    for x in inputs:
        same_quantization(x, y)
    y.store(np.stack([x.ints for x in inputs], o.axis))


def unpack(o, inputs, outputs):
    (x,) = inputs
    for i, y in enumerate(outputs):
        same_quantization(x, y)
        y.store(x.ints.take(i, o.axis))


def move(transform):
    """An operator whose one output holds elements of its first input, as `transform` arranges them."""

    def run(o, inputs, outputs):
        (x, *rest), (y,) = inputs, outputs
        same_quantization(x, y)
        y.store(transform(o, x.ints, [t.value for t in rest], y.shape))

    return run


def slice_(o, x, rest, shape):
    return x[tuple(slice(b, None if s == -1 else b + s) for b, s in zip(*rest))]


def strided_slice(o, x, rest, shape):
    require(not (o.ellipsisMask or o.newAxisMask or o.offset), "ellipsis, new axis or offset mask")
    picks = []
    for axis, (size, begin, end, stride) in enumerate(zip(x.shape, *rest)):
        masks = [mask >> axis & 1 for mask in (o.beginMask, o.endMask, o.shrinkAxisMask)]
        low, high = (0, size) if stride > 0 else (-1, size - 1)
        begin, end = [int(np.clip(v + size if v < 0 else v, low, high)) for v in (begin, end)]
        begin = (0 if stride > 0 else size - 1) if masks[0] else begin
        end = (high if stride > 0 else low) if masks[1] else end
        picks.append(begin if masks[2] else np.arange(begin, end, stride))
    kept = [p for p in picks if not isinstance(p, int)]
    return x[np.ix_(*[np.atleast_1d(p) for p in picks])].reshape([len(p) for p in kept])


OPERATORS = {
    "ADD": add_or_sub(1),
    "AVERAGE_POOL_2D": average_pool_2d,
    "BATCH_MATMUL": batch_matmul,
    "BROADCAST_TO": move(lambda o, x, rest, shape: np.broadcast_to(x, shape)),
    "CONCATENATION": concatenation,
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "DEQUANTIZE": dequantize,
    "ELU": elu,
    "EXPAND_DIMS": move(lambda o, x, rest, shape: x.reshape(shape)),
    "FULLY_CONNECTED": fully_connected,
    "HARD_SWISH": hard_swish,
    "LEAKY_RELU": leaky_relu,
    "LOGISTIC": logistic,
    "MAX_POOL_2D": max_pool_2d,
    "MEAN": mean,
    "MUL": mul,
    "PACK": pack,
    "PAD": pad,
    "PADV2": pad,
    "PRELU": prelu,
    "QUANTIZE": quantize,
    "RELU": relu,
    "RELU6": relu6,
    "RESHAPE": move(lambda o, x, rest, shape: x.reshape(shape)),
    "SLICE": move(slice_),
    "SOFTMAX": softmax,
    "SPLIT": split,
    "SPLIT_V": split_v,
    "SQUEEZE": move(lambda o, x, rest, shape: x.reshape(shape)),
    "STRIDED_SLICE": move(strided_slice),
    "SUB": add_or_sub(-1),
    "TANH": tanh,
    "TRANSPOSE_CONV": transpose_conv,
    "TRANSPOSE": move(lambda o, x, rest, shape: x.transpose(rest[0])),
    "UNPACK": unpack,
}


# Operators that differ in 16 bits.


def round_half_away_all(x):
    """`round_half_away` of an array, in its own float type."""
    return np.trunc(x) + np.where(abs(x - np.trunc(x)) >= f32(0.5), np.sign(x), x.dtype.type(0))


def softmax_table(function, low, high):
    """513 samples of `function` on [low, high] in Q15, shifted by half of the error that a line makes midway; in f32."""
    step = (f32(high) - f32(low)) / f32(512)
    at = lambda i, half=f32(0): function(f32(low) + np.asarray(i, f32) * step + half)
    here, middle, after = (v * f32(32768) for v in (at(range(512)), at(range(512), step / f32(2)), at(range(1, 513))))
    line = round_half_away_all((after + round_half_away_all(here)) / f32(2))
    bias = round_half_away_all((line - round_half_away_all(middle)) / f32(2))
    last = round_half_away_all(np.atleast_1d(function(f32(high)) * f32(32768)))
    return np.clip(np.concatenate([round_half_away_all(here) - bias, last]), -32768, 32767).astype(np.int64)


def interpolate(table, x):
    """The table of 513 values at x in [-32768, 32767]."""
    index, rest = (x + 32768) >> 7, x & 127
    return table[index] + (((table[index + 1] - table[index]) * rest + 64) >> 7)


def softmax_i16(o, inputs, outputs):
    (x,), (y,) = inputs, outputs
    require(abs(y.scale - f32(1 / 32768)) <= f32(0.001 / 32768) and y.zero == 0, "output is not 1/32768, 0")
    exponentials = softmax_table(lambda v: np.exp(v.astype(np.float64)).astype(f32), -10, 0)
    reciprocals = softmax_table(lambda v: f32(1) / (f32(1) + v), 0, 1)
    multiplier = quantize_multiplier(float(x.scale) * float(f32(o.beta)) / (10.0 / 65535.0))
    difference = x.ints - x.ints.max(-1, keepdims=True)
    exps = interpolate(exponentials, np.clip(multiply(difference, multiplier) + 32767, -32768, 32767))
    total = exps.sum(-1, keepdims=True)
    zeros = 32 - np.vectorize(lambda t: int(t).bit_length())(total)
    shifted = ((total << (zeros - 1)) + (1 << 13)) >> 14
    reciprocal = interpolate(reciprocals, np.clip(shifted - (3 << 15), -32768, 32767))
    y.store(np.clip((exps * reciprocal + (1 << (30 - zeros))) >> (31 - zeros), 0, 32767))


# 1 / (1 + exp(-i / 24)) in Q16, as TFLM's table has it: these entries are one above the nearest integer.
ONE_ABOVE = {4, 8, 12, 14, 15, 16, 17, 19, 20, 21, 22, 25, 27, 28, 29, 30, 31, 33, 34, 35, 37, 39, 40, 41, 43, 44, 45, 46}
ONE_ABOVE |= {49, 50, 54, 62, 63, 64, 66, 82, 86, 93, 100, 103, 112, 116, 135, 255}
SIGMOIDS = np.array([round(65536 / (1 + math.exp(-i / 24))) + (i in ONE_ABOVE) for i in range(256)])


def sigmoid_input(x, exact_scales):
    """x in units of 1 / 12288."""
    if float(x.scale) in exact_scales:
        return x.ints * (3 * round(float(x.scale) * 4096))
    multiplier, shift = float(x.scale) * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and shift <= 30:
        multiplier, shift = multiplier * 2.0, shift + 1
    require(multiplier <= 32767, "input scale too large")
    return (x.ints * int(multiplier) + ((1 << shift) >> 1)) >> shift


def sigmoid_at(magnitude, bits):
    """The table at a magnitude whose lowest `bits` bits interpolate; in Q16 with as many bits more."""
    index = np.minimum(magnitude >> bits, 254)
    rest = magnitude & ((1 << bits) - 1)
    return (SIGMOIDS[index] << bits) + rest * (SIGMOIDS[index + 1] - SIGMOIDS[index])


def logistic_i16(o, inputs, outputs):
    (x,), (y,) = inputs, outputs
    require(y.scale == f32(1 / 32768) and y.zero == 0, "output is not 1/32768, 0")
    v = sigmoid_input(x, (2.0**-12,))
    s = np.where(abs(v) >> 9 >= 255, 0x7FFF << 10, sigmoid_at(abs(v), 9))
    y.store(np.where(v >= 0, s + (1 << 9), (1 << 25) - s + (1 << 9) - 1) >> 10)


def tanh_i16(o, inputs, outputs):
    (x,), (y,) = inputs, outputs
    require(y.scale == f32(1 / 32768) and y.zero == 0, "output is not 1/32768, 0")
    v = sigmoid_input(x, (2.0**-12, 2.0**-11))
    s = np.where(abs(v) >> 8 >= 255, 0xFFFF << 8, sigmoid_at(abs(v), 8))
    y.store(np.where(v >= 0, s - (1 << 23) + (1 << 7), -s + (1 << 23) + (1 << 7) - 1) >> 8)


OPERATORS_I16 = {"LOGISTIC": logistic_i16, "SOFTMAX": softmax_i16, "TANH": tanh_i16}
NAMES = {code: name for name, code in vars(fb.BuiltinOperator).items() if isinstance(code, int)}


def run(model, inputs):
    """The outputs of `model` (bytes) for `inputs` (arrays in model order)."""
    file = fb.ModelT.InitFromObj(fb.Model.GetRootAsModel(model, 0))
    require(len(file.subgraphs) == 1, "several subgraphs")
    graph = file.subgraphs[0]
    tensors = [Tensor(record, file.buffers) for record in graph.tensors]
    for index, array in zip(graph.inputs, inputs):
        tensors[index].store(array)
    for operator in graph.operators:
        code = file.operatorCodes[operator.opcodeIndex]
        name = NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]
        require(name in OPERATORS, name)
        taken = [tensors[i] if i >= 0 else None for i in operator.inputs]
        made = [tensors[i] for i in operator.outputs]
        try:
            if name not in ("QUANTIZE", "DEQUANTIZE"):
                known = (np.int8, np.int16, np.int32, np.int64)
                require(all(t is None or t.dtype in known for t in taken + made), "element types")
            wide = made[0].dtype is np.int16
            (OPERATORS_I16 if wide and name in OPERATORS_I16 else OPERATORS)[name](operator.builtinOptions, taken, made)
        except Unsupported as error:
            raise Unsupported(f"{name} -> {made[0].name}: {error}") from None
    return [tensors[i].value for i in graph.outputs]
