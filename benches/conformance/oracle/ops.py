"""Every operator of FORMAT.md on Python's exact integers.

A tensor is (shape, data): a tuple and a flat row-major list. `OPS[name](inputs, attrs, consts, rounding, shape)` returns
the output's data, where `shape` is the output's shape. Values are asserted to be in range; nothing wraps but
what the formula says.
"""

from itertools import product
from math import prod

from arith import HM, I32_MAX, I32_MIN, MB, MB_half_even, MB_single, RD, clamp, clz32, div_trunc, exp5, rec


def accumulator(x):
    """x, which an artifact must keep within a signed word."""
    assert I32_MIN <= x <= I32_MAX, "accumulator leaves i32"
    return x


def strides(shape):
    out, step = [], 1
    for n in reversed(shape):
        out.insert(0, step)
        step *= n
    return out


def at(tensor, *index):
    shape, data = tensor
    return data[sum(i * s for i, s in zip(index, strides(shape)))]


def indices(shape):
    return product(*map(range, shape))


def per_channel(values, channel):
    return values[0] if len(values) == 1 else values[channel]


def requantize(acc, mantissa, shift, zero_point, low, high, rounding):
    return clamp(MB[rounding](accumulator(acc), mantissa, shift) + zero_point, low, high)


def average(acc, mantissa, shift, zero_point, low, high, rounding):
    """As requantize, but in single rounding an exact half goes to even."""
    scale = MB_half_even if rounding == "single" else MB[rounding]
    return clamp(scale(accumulator(acc), mantissa, shift) + zero_point, low, high)


def finish(acc, channel, attrs, consts, rounding):
    """Accumulator of one output channel -> output value."""
    return requantize(
        acc,
        per_channel(consts["mantissas"], channel),
        per_channel(consts["shifts"], channel),
        attrs["output_zero_point"],
        attrs["low"],
        attrs["high"],
        rounding,
    )


def taps(attrs, oy, ox, height, width):
    """(ky, kx, iy, ix) of the window's taps that lie inside the input."""
    for ky in range(attrs["kernel_h"]):
        iy = oy * attrs["stride_h"] - attrs["pad_top"] + ky * attrs.get("dilation_h", 1)
        for kx in range(attrs["kernel_w"]):
            ix = ox * attrs["stride_w"] - attrs["pad_left"] + kx * attrs.get("dilation_w", 1)
            if 0 <= iy < height and 0 <= ix < width:
                yield ky, kx, iy, ix


def conv2d_sums(inputs, attrs, weights, shape):
    """Sum of products of each output, without the bias."""
    (x,) = inputs
    _, height, width, c = x[0]
    co, groups = shape[3], attrs["groups"]
    per_group, out_per_group = c // groups, co // groups
    w = ((co, attrs["kernel_h"], attrs["kernel_w"], per_group), weights)
    out = []
    for n, oy, ox, oc in indices(shape):
        acc = 0
        for ky, kx, iy, ix in taps(attrs, oy, ox, height, width):
            for i in range(per_group):
                ic = oc // out_per_group * per_group + i
                acc += (at(x, n, iy, ix, ic) - attrs["input_zero_point"]) * at(w, oc, ky, kx, i)
        out.append(acc)
    return out


def depthwise_conv2d_sums(inputs, attrs, weights, shape):
    (x,) = inputs
    _, height, width, c = x[0]
    co = shape[3]
    w = ((attrs["kernel_h"], attrs["kernel_w"], co), weights)
    out = []
    for n, oy, ox, oc in indices(shape):
        acc = 0
        for ky, kx, iy, ix in taps(attrs, oy, ox, height, width):
            acc += (at(x, n, iy, ix, oc // (co // c)) - attrs["input_zero_point"]) * at(w, ky, kx, oc)
        out.append(acc)
    return out


def fully_connected_sums(inputs, attrs, weights, shape):
    ((_, data),) = inputs
    m = shape[-1]
    k = len(weights) // m
    return [
        sum((data[row * k + i] - attrs["input_zero_point"]) * weights[oc * k + i] for i in range(k))
        for row in range(len(data) // k)
        for oc in range(m)
    ]


def transpose_conv2d_sums(inputs, attrs, weights, shape):
    """Each input pixel is spread over the outputs that its taps fall on."""
    (x,) = inputs
    groups, (co, c) = attrs["groups"], (shape[3], x[0][3])
    per_group, out_per_group = c // groups, co // groups
    w = ((co, attrs["kernel_h"], attrs["kernel_w"], per_group), weights)
    out, steps = [0] * prod(shape), strides(shape)
    for n, iy, ix, ic in indices(x[0]):
        value = at(x, n, iy, ix, ic) - attrs["input_zero_point"]
        for ky, kx in indices(w[0][1:3]):
            oy = iy * attrs["stride_h"] - attrs["pad_top"] + ky * attrs["dilation_h"]
            ox = ix * attrs["stride_w"] - attrs["pad_left"] + kx * attrs["dilation_w"]
            if 0 <= oy < shape[1] and 0 <= ox < shape[2]:
                for oc in range(ic // per_group * out_per_group, (ic // per_group + 1) * out_per_group):
                    place = sum(i * step for i, step in zip((n, oy, ox, oc), steps))
                    out[place] += value * at(w, oc, ky, kx, ic % per_group)
    return out


SUMS = {"conv2d": conv2d_sums, "depthwise_conv2d": depthwise_conv2d_sums, "fully_connected": fully_connected_sums,
        "transpose_conv2d": transpose_conv2d_sums}


def pack_nibbles(values):
    """Numbers in [-8, 7] as bytes with sign, two to a byte, the first in the low half."""
    values = list(values) + [0] * (len(values) % 2)
    return [(low & 15) + 16 * high for low, high in zip(values[::2], values[1::2])]


def unpack_nibbles(packed, count):
    halves = [half for byte in packed for half in ((byte & 15 ^ 8) - 8, byte >> 4)]
    assert len(halves) - count in (0, 1) and not any(halves[count:])
    return halves[:count]


def four_bits(op, count):
    """The operator with weights of four bits, of which there are `count(inputs, attrs, shape)`."""
    def run(inputs, attrs, consts, rounding, shape):
        weights = unpack_nibbles(consts["weights"], count(inputs, attrs, shape))
        return weighted(op)(inputs, attrs, consts | {"weights": weights}, rounding, shape)
    return run


def taps_count(attrs):
    return attrs["kernel_h"] * attrs["kernel_w"]


def batch_matmul_sums(inputs, attrs, shape):
    """The sum of products of each output."""
    x1, x2 = inputs
    t1, t2 = attrs["transpose1"], attrs["transpose2"]
    depth = x1[0][-2 if t1 else -1]
    own = lambda x, stack: [i if n > 1 else 0 for i, n in zip(stack[len(stack) - len(x[0]) + 2:], x[0][:-2])]
    out = []
    for *stack, i, j in indices(shape):
        a, b = own(x1, stack), own(x2, stack)
        out.append(sum((at(x1, *a, *((k, i) if t1 else (i, k))) - attrs.get("input1_zero_point", 0))
                       * (at(x2, *b, *((j, k) if t2 else (k, j))) - attrs.get("input2_zero_point", 0))
                       for k in range(depth)))
    return out


def batch_matmul(inputs, attrs, consts, rounding, shape):
    return [requantize(acc, attrs["mantissa"], attrs["shift"], attrs["output_zero_point"], attrs["low"], attrs["high"],
                       rounding) for acc in batch_matmul_sums(inputs, attrs, shape)]


def weighted(op):
    """The operator that adds the bias to its sums and requantizes them; channels are the last axis."""
    def run(inputs, attrs, consts, rounding, shape):
        sums = SUMS[op](inputs, attrs, consts["weights"], shape)
        channels = [i % shape[-1] for i in range(len(sums))]
        return [finish(acc + consts["bias"][c], c, attrs, consts, rounding) for acc, c in zip(sums, channels)]
    return run


def average_pool2d(inputs, attrs, consts, rounding, shape):
    (x,) = inputs
    out = []
    for n, oy, ox, ch in indices(shape):
        valid = [at(x, n, iy, ix, ch) for _, _, iy, ix in taps(attrs, oy, ox, x[0][1], x[0][2])]
        count = len(valid)
        if rounding == "tflite":
            acc = sum(valid)
            half = count // 2
            out.append(clamp(div_trunc(acc + (half if acc > 0 else -half), count), attrs["low"], attrs["high"]))
        else:
            acc = sum(valid) - count * attrs["input_zero_point"]
            out.append(average(acc, consts["mantissas"][count - 1], consts["shifts"][count - 1],
                               attrs["output_zero_point"], attrs["low"], attrs["high"], rounding))
    return out


def max_pool2d(inputs, attrs, consts, rounding, shape):
    (x,) = inputs
    return [
        clamp(max(at(x, n, iy, ix, ch) for _, _, iy, ix in taps(attrs, oy, ox, x[0][1], x[0][2])),
              attrs["low"], attrs["high"])
        for n, oy, ox, ch in indices(shape)
    ]


def mean(inputs, attrs, consts, rounding, shape):
    (x,) = inputs
    sums, count = {}, 1
    for axis, n in enumerate(x[0]):
        if attrs["axes"] >> axis & 1:
            count *= n
    for index, value in zip(indices(x[0]), x[1]):
        kept = tuple(i for axis, i in enumerate(index) if not attrs["axes"] >> axis & 1)
        sums[kept] = sums.get(kept, 0) + value
    return [
        average(total - attrs["input_zero_point"] * count, attrs["mantissa"], attrs["shift"],
                attrs["output_zero_point"], attrs["low"], attrs["high"], rounding)
        for _, total in sorted(sums.items())
    ]


def broadcast(inputs, shape):
    """Pairs of the elements that meet, shapes aligned at the right."""
    for index in indices(shape):
        pair = []
        for tensor in inputs:
            own = index[len(index) - len(tensor[0]):]
            pair.append(at(tensor, *(i if n > 1 else 0 for i, n in zip(own, tensor[0]))))
        yield pair


def add(inputs, attrs, consts, rounding, shape, sign=1):
    out = []
    for x1, x2 in broadcast(inputs, shape):
        u1 = MB[rounding](accumulator((x1 - attrs["input1_zero_point"]) << attrs["left_shift"]),
                          attrs["mantissa1"], attrs["shift1"])
        u2 = MB[rounding](accumulator((x2 - attrs["input2_zero_point"]) << attrs["left_shift"]),
                          attrs["mantissa2"], attrs["shift2"])
        out.append(requantize(u1 + sign * u2, attrs["mantissa"], attrs["shift"], attrs["output_zero_point"],
                              attrs["low"], attrs["high"], rounding))
    return out


def sub(inputs, attrs, consts, rounding, shape):
    return add(inputs, attrs, consts, rounding, shape, sign=-1)


def mul(inputs, attrs, consts, rounding, shape):
    return [
        requantize((x1 - attrs["input1_zero_point"]) * (x2 - attrs["input2_zero_point"]), attrs["mantissa"],
                   attrs["shift"], attrs["output_zero_point"], attrs["low"], attrs["high"], rounding)
        for x1, x2 in broadcast(inputs, shape)
    ]


def lut(inputs, attrs, consts, rounding, shape):
    return [consts["table"][x + 128] for x in inputs[0][1]]


def softmax_row_tflite(row, attrs):
    mantissa, shift, top = attrs["mantissa"], attrs["shift"], max(row)
    exps = []
    for x in row:
        d = x - top
        exps.append(None if d < attrs["diff_min"] else exp5(HM(accumulator(d << shift), mantissa)))
    total = accumulator(sum(RD(e, 12) for e in exps if e is not None))
    lead = clz32(total)
    assert lead >= 4, "the last shift is defined up to 31"
    reciprocal = rec((total << lead) - (1 << 31))
    return [-128 if e is None else clamp(RD(HM(reciprocal, e), 35 - lead) - 128, -128, 127) for e in exps]


def softmax_row_single(row, attrs, consts):
    top = max(row)
    exps = [consts["exponentials"][top - x] for x in row]
    total = sum(exps)
    return [
        clamp(MB_single(((e << 24) + total // 2) // total, attrs["mantissa"], attrs["shift"])
              + attrs["output_zero_point"], -128, 127)
        for e in exps
    ]


def softmax(inputs, attrs, consts, rounding, shape):
    ((_, data),) = inputs
    length, out = shape[-1], []
    for begin in range(0, len(data), length):
        row = data[begin:begin + length]
        out += softmax_row_tflite(row, attrs) if rounding == "tflite" else softmax_row_single(row, attrs, consts)
    return out


def pad(inputs, attrs, consts, rounding, shape):
    (x,) = inputs
    out = []
    for index in indices(shape):
        source = [i - attrs[f"before{axis}"] for axis, i in enumerate(index)]
        inside = all(0 <= i < n for i, n in zip(source, x[0]))
        out.append(at(x, *source) if inside else attrs["value"])
    return out


def concat(inputs, attrs, consts, rounding, shape):
    axis, out = attrs["axis"], []
    for index in indices(shape):
        i = index[axis]
        for tensor in inputs:
            if i < tensor[0][axis]:
                break
            i -= tensor[0][axis]
        out.append(at(tensor, *index[:axis], i, *index[axis + 1:]))
    return out


def slice_(inputs, attrs, consts, rounding, shape):
    (x,) = inputs
    out = []
    for index in indices(shape):
        source = [attrs[f"begin{axis}"] + i * attrs[f"stride{axis}"] for axis, i in enumerate(index)]
        assert all(0 <= i < n for i, n in zip(source, x[0]))
        out.append(at(x, *source))
    return out


def transpose(inputs, attrs, consts, rounding, shape):
    (x,) = inputs
    out = []
    for index in indices(shape):
        source = [0] * len(index)
        for axis, i in enumerate(index):
            source[attrs[f"perm{axis}"]] = i
        out.append(at(x, *source))
    return out


def requantize_(inputs, attrs, consts, rounding, shape):
    return [
        requantize(x - attrs["input_zero_point"], attrs["mantissa"], attrs["shift"], attrs["output_zero_point"],
                   attrs["low"], attrs["high"], rounding)
        for x in inputs[0][1]
    ]


OPS = {
    "conv2d": weighted("conv2d"),
    "depthwise_conv2d": weighted("depthwise_conv2d"),
    "fully_connected": weighted("fully_connected"),
    "average_pool2d": average_pool2d,
    "max_pool2d": max_pool2d,
    "mean": mean,
    "add": add,
    "sub": sub,
    "mul": mul,
    "lut": lut,
    "softmax": softmax,
    "pad": pad,
    "concat": concat,
    "slice": slice_,
    "transpose": transpose,
    "requantize": requantize_,
    "conv2d_i4": four_bits("conv2d", lambda x, a, y: y[-1] * taps_count(a) * x[0][0][3] // a["groups"]),
    "depthwise_conv2d_i4": four_bits("depthwise_conv2d", lambda x, a, y: y[-1] * taps_count(a)),
    "fully_connected_i4": four_bits("fully_connected", lambda x, a, y: y[-1] * a["depth"]),
    "transpose_conv2d": weighted("transpose_conv2d"),
    "batch_matmul": batch_matmul,
}
