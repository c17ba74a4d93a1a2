"""Every operator of int16 activations of FORMAT.md on Python's exact integers, as ops.py has those of int8."""

from arith import MB, MBW, MB_half_even, RD, clamp, clz32, div_trunc, wrap32
from ops import SUMS, accumulator, at, batch_matmul_sums, broadcast, indices, per_channel, taps

ZERO = {"input_zero_point": 0}


def bounded(value, attrs):
    return clamp(value, attrs["low"], attrs["high"])


def weighted(op):
    """The operator that adds the bias to its sums and requantizes them; channels are the last axis."""

    def run(inputs, attrs, consts, rounding, shape):
        out = []
        for i, acc in enumerate(SUMS[op](inputs, attrs | ZERO, consts["weights"], shape)):
            channel = i % shape[-1]
            acc += consts["bias"][channel]
            pair = per_channel(consts["mantissas"], channel), per_channel(consts["shifts"], channel)
            narrow = attrs.get("accumulator_bits") == 32
            out.append(bounded(MB[rounding](wrap32(acc), *pair) if narrow else MBW[rounding](acc, *pair), attrs))
        return out

    return run


def average(acc, mantissa, shift, attrs, rounding):
    scale = MB_half_even if rounding == "single" else MB[rounding]
    return bounded(scale(accumulator(acc), mantissa, shift), attrs)


def average_pool2d(inputs, attrs, consts, rounding, shape):
    (x,) = inputs
    out = []
    for n, oy, ox, ch in indices(shape):
        valid = [at(x, n, iy, ix, ch) for _, _, iy, ix in taps(attrs, oy, ox, x[0][1], x[0][2])]
        count, acc = len(valid), accumulator(sum(valid))
        if rounding == "tflite":
            half = count // 2
            out.append(bounded(div_trunc(acc + (half if acc > 0 else -half), count), attrs))
        else:
            out.append(average(acc, consts["mantissas"][count - 1], consts["shifts"][count - 1], attrs, rounding))
    return out


def max_pool2d(inputs, attrs, consts, rounding, shape):
    (x,) = inputs
    return [
        bounded(max(at(x, n, iy, ix, ch) for _, _, iy, ix in taps(attrs, oy, ox, x[0][1], x[0][2])), attrs)
        for n, oy, ox, ch in indices(shape)
    ]


def mean(inputs, attrs, consts, rounding, shape):
    (x,) = inputs
    sums = {}
    for index, value in zip(indices(x[0]), x[1]):
        kept = tuple(i for axis, i in enumerate(index) if not attrs["axes"] >> axis & 1)
        sums[kept] = sums.get(kept, 0) + value
    return [average(total, attrs["mantissa"], attrs["shift"], attrs, rounding) for _, total in sorted(sums.items())]


def add(inputs, attrs, consts, rounding, shape, sign=1):
    scale = MB[rounding]
    out = []
    for x1, x2 in broadcast(inputs, shape):
        u1 = scale(accumulator(x1 << attrs["left_shift"]), attrs["mantissa1"], attrs["shift1"])
        u2 = scale(accumulator(x2 << attrs["left_shift"]), attrs["mantissa2"], attrs["shift2"])
        out.append(bounded(scale(accumulator(u1 + sign * u2), attrs["mantissa"], attrs["shift"]), attrs))
    return out


def sub(inputs, attrs, consts, rounding, shape):
    return add(inputs, attrs, consts, rounding, shape, sign=-1)


def mul(inputs, attrs, consts, rounding, shape):
    return [
        bounded(MB[rounding](accumulator(x1 * x2), attrs["mantissa"], attrs["shift"]), attrs)
        for x1, x2 in broadcast(inputs, shape)
    ]


def interpolate(table, bits, x):
    place = x + 32768
    index, rest = place >> bits, place & ((1 << bits) - 1)
    return table[index] + (((table[index + 1] - table[index]) * rest + ((1 << bits) >> 1)) >> bits)


def lut(inputs, attrs, consts, rounding, shape):
    return [interpolate(consts["table"], attrs["interpolated_bits"], x) for x in inputs[0][1]]


def sigmoid(inputs, attrs, consts, rounding, shape):
    shift, table = attrs["right_shift"], [t + 32768 for t in consts["table"]]
    bits, end = (8, 65535 << 8) if attrs["tanh"] else (9, 32767 << 10)
    out = []
    for x in inputs[0][1]:
        v = accumulator(accumulator(x * attrs["multiplier"]) + ((1 << shift) >> 1)) >> shift
        index, rest = abs(v) >> bits, abs(v) & ((1 << bits) - 1)
        line = end if index >= 255 else (table[index] << bits) + rest * (table[index + 1] - table[index])
        if attrs["tanh"]:
            y = (line - (1 << 23) + 128) >> 8 if v >= 0 else ((1 << 23) - line + 127) >> 8
        else:
            y = (line + 512) >> 10 if v >= 0 else ((1 << 25) - line + 511) >> 10
        out.append(clamp(y, -32768, 32767))
    return out


def saturate(x):
    return clamp(x, -32768, 32767)


def softmax_row_tflite(row, attrs, tables):
    exponentials, reciprocals = tables[:513], tables[513:]
    top = max(row)
    scaled = [MB["tflite"](x - top, attrs["mantissa"], attrs["shift"]) for x in row]
    exps = [interpolate(exponentials, 7, saturate(s + 32767)) for s in scaled]
    total = accumulator(sum(exps))
    lead = clz32(total)
    fraction = ((total << (lead - 1)) + (1 << 13)) >> 14
    reciprocal = interpolate(reciprocals, 7, saturate(fraction - (3 << 15)))
    return [clamp((e * reciprocal + (1 << (30 - lead))) >> (31 - lead), 0, 32767) for e in exps]


def softmax_row_single(row, attrs, table):
    top = max(row)
    exps = [(table[(top - x) >> 8] * table[256 + (top - x) % 256] + (1 << 29)) >> 30 for x in row]
    total = sum(exps)
    parts = [((e << 30) + total // 2) // total for e in exps]
    return [saturate(MB["single"](p, attrs["mantissa"], attrs["shift"])) for p in parts]


def softmax(inputs, attrs, consts, rounding, shape):
    ((_, data),) = inputs
    out = []
    for begin in range(0, len(data), shape[-1]):
        row = data[begin : begin + shape[-1]]
        if rounding == "tflite":
            out += softmax_row_tflite(row, attrs, consts["tables"])
        else:
            out += softmax_row_single(row, attrs, consts["exponentials"])
    return out


def batch_matmul(inputs, attrs, consts, rounding, shape):
    sums = batch_matmul_sums(inputs, attrs, shape)
    return [bounded(MBW[rounding](acc, attrs["mantissa"], attrs["shift"]), attrs) for acc in sums]


OPS_I16 = {
    "conv2d_i16": weighted("conv2d"),
    "depthwise_conv2d_i16": weighted("depthwise_conv2d"),
    "fully_connected_i16": weighted("fully_connected"),
    "average_pool2d_i16": average_pool2d,
    "max_pool2d_i16": max_pool2d,
    "mean_i16": mean,
    "add_i16": add,
    "sub_i16": sub,
    "mul_i16": mul,
    "lut_i16": lut,
    "sigmoid_i16": sigmoid,
    "softmax_i16": softmax,
    "transpose_conv2d_i16": weighted("transpose_conv2d"),
    "batch_matmul_i16": batch_matmul,
}
