"""Small networks: every intermediate tensor is an expected value, and errors of one step reach the next.

Weights and inputs are seeded; each layer's multipliers are chosen from the sums that really occur, so that no layer
saturates or goes flat.
"""

from fractions import Fraction
from math import prod

from case import ROUNDINGS, Case, Data, multiplier
from cases_elementwise import sum_attrs
from cases_reduce import exponentials
from cases_window import average_consts, out_shape, taps_of, window, window_attrs


class Network:
    """A case under construction, with one rounding unless a layer names another."""

    def __init__(self, name, rounding):
        self.case, self.data, self.rounding = Case(name), Data(name), rounding

    def input(self, *shape):
        return self.case.input(shape, self.data.uniform(prod(shape)))

    def _weighted(self, op, x, shape, attrs, count, zx, zy, low, high, rounding):
        weights = [self.data.between(-127, 127) for _ in range(count)]
        attrs = attrs | {"input_zero_point": zx, "output_zero_point": zy, "low": low, "high": high}
        consts = self.data.fit(op, [self.case.tensors[x][:2]], attrs, weights, shape)
        return self.case.step(op, rounding or self.rounding, [x], shape, attrs, consts)

    def conv(self, x, co, w, zx=0, zy=0, low=-128, high=127, groups=1, rounding=None):
        shape = self.case.shape(x)
        count = co * taps_of(w) * shape[3] // groups
        return self._weighted("conv2d", x, out_shape(shape, w, co), window_attrs(w, True) | {"groups": groups}, count,
                              zx, zy, low, high, rounding)

    def depthwise(self, x, w, mult=1, zx=0, zy=0, low=-128, high=127, rounding=None):
        shape = self.case.shape(x)
        co = shape[3] * mult
        return self._weighted("depthwise_conv2d", x, out_shape(shape, w, co), window_attrs(w, True), co * taps_of(w), zx,
                              zy, low, high, rounding)

    def dense(self, x, m, zx=0, zy=0, low=-128, high=127, rounding=None, k=None):
        shape = self.case.shape(x)
        k = k or prod(shape[1:])
        return self._weighted("fully_connected", x, (prod(shape) // k, m), {}, m * k, zx, zy, low, high, rounding)

    def add(self, a, b, zero_points, scales, op="add", low=-128, high=127, rounding=None):
        shape = max(self.case.shape(a), self.case.shape(b), key=prod)
        return self.case.step(op, rounding or self.rounding, [a, b], shape,
                              sum_attrs(zero_points, scales) | {"low": low, "high": high})

    def mul(self, a, b, zero_points, real, rounding=None):
        mantissa, shift = multiplier(Fraction(real))
        attrs = dict(zip(("input1_zero_point", "input2_zero_point", "output_zero_point"), zero_points))
        attrs |= {"mantissa": mantissa, "shift": shift, "low": -128, "high": 127}
        return self.case.step("mul", rounding or self.rounding, [a, b], self.case.shape(a), attrs)

    def average(self, x, w, zero_point, rounding=None):
        rounding = rounding or self.rounding
        shape = self.case.shape(x)
        attrs = window_attrs(w, False) | {"input_zero_point": zero_point, "output_zero_point": zero_point, "low": -128,
                                          "high": 127}
        consts = average_consts(w["kernel"], Fraction(1), False) if rounding == "single" else None
        return self.case.step("average_pool2d", rounding, [x], out_shape(shape, w, shape[3]), attrs, consts)

    def maximum(self, x, w):
        shape = self.case.shape(x)
        return self.case.step("max_pool2d", self.rounding, [x], out_shape(shape, w, shape[3]),
                              window_attrs(w, False) | {"low": -128, "high": 127})

    def mean(self, x, axes, zx, zy, real):
        shape = self.case.shape(x)
        count = prod(n for axis, n in enumerate(shape) if axes >> axis & 1)
        mantissa, shift = multiplier(Fraction(real) / count)
        return self.case.step("mean", self.rounding, [x],
                              tuple(1 if axes >> axis & 1 else n for axis, n in enumerate(shape)),
                              {"axes": axes, "input_zero_point": zx, "output_zero_point": zy, "mantissa": mantissa,
                               "shift": shift, "low": -128, "high": 127})

    def lut(self, x, function):
        table = [max(-128, min(127, function(v))) for v in range(-128, 128)]
        return self.case.step("lut", self.rounding, [x], self.case.shape(x), {}, {"table": table})

    def softmax(self, x, scale, rounding=None):
        rounding = rounding or self.rounding
        shape = self.case.shape(x)
        if rounding == "tflite":
            mantissa, shift = multiplier(Fraction(scale) * (1 << 26))
            return self.case.step("softmax", rounding, [x], shape,
                                  {"mantissa": mantissa, "shift": shift, "diff_min": -((31 << 26) >> shift),
                                   "output_zero_point": -128})
        mantissa, shift = multiplier(Fraction(256, 1 << 24))
        return self.case.step("softmax", rounding, [x], shape,
                              {"mantissa": mantissa, "shift": shift, "diff_min": 0, "output_zero_point": -128},
                              {"exponentials": exponentials(scale)})

    def slice(self, x, begin, stride, counts):
        rank = len(counts)
        attrs = {f"begin{i}": begin[i] if i < rank else 0 for i in range(6)}
        attrs |= {f"stride{i}": stride[i] if i < rank else 0 for i in range(6)}
        return self.case.step("slice", self.rounding, [x], counts, attrs)

    def pad(self, x, before, after, value):
        shape = self.case.shape(x)
        attrs = {f"before{i}": before[i] if i < len(shape) else 0 for i in range(6)} | {"value": value}
        return self.case.step("pad", self.rounding, [x], tuple(b + n + a for b, n, a in zip(before, shape, after)), attrs)

    def concat(self, xs, axis):
        shape = list(self.case.shape(xs[0]))
        shape[axis] = sum(self.case.shape(x)[axis] for x in xs)
        return self.case.step("concat", self.rounding, xs, tuple(shape), {"axis": axis})

    def transpose(self, x, perm):
        shape = self.case.shape(x)
        attrs = {f"perm{i}": perm[i] if i < len(shape) else 0 for i in range(6)}
        return self.case.step("transpose", self.rounding, [x], tuple(shape[p] for p in perm), attrs)

    def requantize(self, x, zx, zy, real, type, rounding=None):
        low, high = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}[type]
        mantissa, shift = multiplier(Fraction(real))
        return self.case.step("requantize", rounding or self.rounding, [x], self.case.shape(x),
                              {"input_zero_point": zx, "output_zero_point": zy, "mantissa": mantissa, "shift": shift,
                               "low": low, "high": high}, type=type)


SAME3 = window((3, 3), pads=(1, 1, 1, 1))
DOWN3 = window((3, 3), (2, 2), pads=(0, 0, 1, 1))
POINT = window((1, 1))


def classifier(name, rounding, mixed=False, batch=1):
    """conv -> depthwise -> pointwise -> residual add -> average pool -> dense -> softmax."""
    other = None if not mixed else ("single" if rounding == "tflite" else "tflite")
    n = Network(name, rounding)
    x = n.input(batch, 9, 8, 2)
    a = n.conv(x, 6, DOWN3, zx=-3, zy=-128, low=-128)
    b = n.depthwise(a, SAME3, zx=-128, zy=-100, low=-100, rounding=other)
    c = n.conv(b, 6, POINT, zx=-100, zy=4)
    d = n.add(a, c, (-128, 4, -20), ("0.03", "0.05", "0.06"), low=-20, rounding=other)
    e = n.average(d, window(n.case.shape(d)[1:3]), -20)
    f = n.dense(e, 5, zx=-20, zy=11)
    n.softmax(f, "0.08", rounding=other)
    return n.case.record()


def temporal(name, rounding):
    """A causal temporal network of dilated convolutions along the width, with padding steps and residuals."""
    n = Network(name, rounding)
    x = n.input(1, 1, 24, 3)
    for i, dilation in enumerate((1, 2, 4)):
        p = n.pad(x, (0, 0, 2 * dilation, 0), (0, 0, 0, 0), 7 * i)
        y = n.conv(p, 3, window((1, 3), dilation=(1, dilation)), zx=7 * i, zy=7 * (i + 1), low=7 * (i + 1))
        x = n.add(x, y, (7 * i, 7 * (i + 1), 7 * (i + 1)), ("0.02", "0.03", "0.04"))
    m = n.mean(x, 0b0110, 21, -5, "9/4")
    n.dense(m, 2, zx=-5, zy=0)
    return n.case.record()


def gated(name, rounding):
    """Split, tables, product, concat, transpose, pad, pool, and a change of type at the end."""
    n = Network(name, rounding)
    x = n.input(1, 4, 6, 8)
    left = n.slice(x, (0, 0, 0, 0), (1, 1, 1, 1), (1, 4, 6, 4))
    right = n.slice(x, (0, 0, 0, 4), (1, 1, 1, 1), (1, 4, 6, 4))
    gate = n.lut(right, lambda v: v // 2 - 64)
    bent = n.lut(left, lambda v: v if v > 0 else v // 8)
    product_ = n.mul(bent, gate, (0, -128, -30), "1/90")
    back = n.slice(product_, (0, 3, 5, 3), (1, -1, -2, -1), (1, 4, 3, 4))
    both = n.concat([back, n.slice(x, (0, 0, 0, 1), (1, 1, 2, 2), (1, 4, 3, 4))], 3)
    turned = n.transpose(both, (0, 3, 1, 2))
    padded = n.pad(turned, (0, 1, 0, 1), (0, 0, 1, 1), -30)
    pooled = n.maximum(padded, window((3, 2), (2, 2), pads=(1, 0, 0, 1)))
    difference = n.add(pooled, n.mean(pooled, 0b1000, -30, -10, "5/4"), (-30, -10, 3), ("0.1", "0.1", "0.17"), op="sub")
    word = n.requantize(difference, 3, 1000, 201, "int16")
    n.requantize(n.requantize(word, 1000, -7, "1/190", "int8"), -7, 121, "11/10", "uint8")
    return n.case.record()


def rows(name, rounding):
    """Row-wise operators one after the other, strides and padding mixed: what a chain of rings has to get right."""
    n = Network(name, rounding)
    x = n.input(1, 13, 9, 2)
    x = n.conv(x, 4, SAME3, zx=5, zy=-9)
    x = n.depthwise(x, window((5, 3), (2, 1), pads=(2, 1, 2, 1)), zx=-9, zy=3)
    x = n.lut(x, lambda v: max(v, 3))
    x = n.conv(x, 5, POINT, zx=3, zy=-60)
    x = n.maximum(x, window((3, 3), (1, 2), pads=(1, 1, 1, 1)))
    x = n.depthwise(x, window((3, 3), dilation=(2, 1), pads=(2, 1, 2, 1)), mult=2, zx=-60, zy=0)
    x = n.average(x, window((2, 2), (2, 1), pads=(0, 0, 1, 0)), 0)
    x = n.requantize(x, 0, -4, "7/5", "int8")
    n.conv(x, 3, window((4, 3), pads=(1, 1, 1, 1)), zx=-4, zy=2)
    return n.case.record()


def autoencoder(name, rounding):
    """Dense layers down to a narrow one and up again; the input is subtracted at the end."""
    n = Network(name, rounding)
    x = n.input(1, 33)
    y = n.dense(x, 17, zx=1, zy=-128)
    y = n.dense(y, 3, zx=-128, zy=9)
    y = n.dense(y, 16, zx=9, zy=-128, low=-128)
    y = n.dense(y, 33, zx=-128, zy=1)
    d = n.add(x, y, (1, 1, 0), ("0.05", "0.05", "0.09"), op="sub")
    s = n.mul(d, d, (0, 0, -128), "1/60")
    n.mean(s, 0b10, -128, -128, "3/2")
    return n.case.record()


def two_heads(name, rounding):
    """Two inputs, broadcasting, grouped convolution, two consumers of one tensor."""
    n = Network(name, rounding)
    image, vector = n.input(2, 5, 5, 4), n.input(2, 1, 1, 4)
    scaled = n.mul(image, vector, (0, 0, 0), "1/80")
    a = n.conv(scaled, 6, window((3, 3), (2, 2), pads=(1, 1, 1, 1)), groups=2)
    p = n.conv(a, 2, POINT, zy=-12)
    q = n.average(a, window((3, 3)), 0)
    d = n.dense(q, 3, zy=8, k=6)
    n.softmax(d, "0.05")
    n.softmax(p, "0.2")
    return n.case.record()


def chain(name, rounding):
    """Two to five row-wise operators in a row, geometry at random; a ring of rows fits between any two."""
    n = Network(name, rounding)
    pick = n.data.between
    x, zero = n.input(1, pick(4, 11), pick(2, 6), pick(1, 4)), pick(-128, 127)
    for _ in range(pick(2, 5)):
        _, height, width, channels = n.case.shape(x)
        kernel = pick(1, 4), pick(1, 3)
        stride = pick(1, 3), pick(1, 2)
        dilation = (pick(1, 2), 1)
        op = ("conv", "depthwise", "average", "maximum", "lut", "requantize")[pick(0, 5)]
        if op in ("average", "maximum"):
            dilation = (1, 1)
        extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilation)]
        # No window lies in the padding altogether; enough padding that there is an output.
        before = [pick(0, e - 1) if op in ("conv", "depthwise") else pick(0, k - 1) for e, k in zip(extent, kernel)]
        after = [max(e - size - b, pick(0, e - 1)) for e, size, b in zip(extent, (height, width), before)]
        w = window(kernel, stride, dilation, (before[0], before[1], max(0, after[0]), max(0, after[1])))
        next_zero = pick(-128, 127)
        if op == "conv":
            x = n.conv(x, pick(1, 5), w, zx=zero, zy=next_zero)
        elif op == "depthwise":
            x = n.depthwise(x, w, mult=pick(1, 2), zx=zero, zy=next_zero)
        elif op == "lut":
            x, next_zero = n.lut(x, lambda v: -v), zero
        elif op == "requantize":
            x = n.requantize(x, zero, next_zero, "9/10", "int8")
        else:
            for axis in (0, 1):  # the last window begins inside the input
                size, out = (height, width)[axis], out_shape((1, height, width, 1), w, 1)[1 + axis]
                if (out - 1) * stride[axis] - before[axis] >= size:
                    w["stride"] = tuple(1 if a == axis else s for a, s in enumerate(w["stride"]))
                    w["pads"] = w["pads"][:2] + tuple(0 if a == axis else p for a, p in enumerate(w["pads"][2:]))
            w["pads"] = w["pads"][:2] + tuple(
                max(p, k - size - b) for p, k, size, b in zip(w["pads"][2:], kernel, (height, width), before))
            x, next_zero = (n.average(x, w, zero) if op == "average" else n.maximum(x, w)), zero
        zero = next_zero
    return n.case.record()


def networks():
    for i in range(60):
        yield "chains", chain(f"chain{i}_{ROUNDINGS[i % 2]}", ROUNDINGS[i % 2])
    for rounding in ROUNDINGS:
        yield "networks", classifier(f"classifier_{rounding}", rounding)
        yield "networks", classifier(f"classifier_batch2_{rounding}", rounding, batch=2)
        yield "networks", temporal(f"temporal_{rounding}", rounding)
        yield "networks", gated(f"gated_{rounding}", rounding)
        yield "networks", rows(f"rows_{rounding}", rounding)
        yield "networks", autoencoder(f"autoencoder_{rounding}", rounding)
        yield "networks", two_heads(f"two_heads_{rounding}", rounding)
    yield "networks", classifier("classifier_mixed_roundings", "tflite", mixed=True)


CASES = {"networks": networks}
