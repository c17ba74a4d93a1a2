"""Operators of tflite_ops.py that pick, compare, interpolate or rearrange elements."""

import numpy as np
from tflite_ops import OPERATORS, f32, move, multiply, quantize_multiplier, requantize, require, round_half_away, same_quantization


def gather(o, x, rest, shape):
    (indices,) = rest
    axis, batch = o.axis % x.ndim, o.batchDims % (indices.ndim + 1) if o.batchDims < 0 else o.batchDims
    require(((indices >= 0) & (indices < x.shape[axis])).all(), "index outside")
    if batch == 0:
        return x.take(indices, axis)
    lead = x.shape[:batch]
    parts = [x[at].take(indices[at], axis - batch) for at in np.ndindex(*lead)]
    return np.array(parts).reshape(shape)


def gather_nd(o, x, rest, shape):
    (indices,) = rest
    return x[tuple(np.moveaxis(indices, -1, 0))].reshape(shape)


def resize_nearest_neighbor(o, x, rest, shape):
    for axis in (1, 2):
        n, m = x.shape[axis], shape[axis]
        scale = f32(n - 1) / f32(m - 1) if o.alignCorners and m > 1 else f32(n) / f32(m)
        at = [(f32(i) + f32(0.5 if o.halfPixelCenters else 0)) * scale for i in range(m)]
        at = [int(round_half_away(v)) if o.alignCorners else int(np.floor(v)) for v in at]
        x = x.take(np.clip(at, 0, n - 1), axis)
    return x


def resize_bilinear(o, x, rest, shape):
    sides = []
    for axis in (1, 2):
        n, m = x.shape[axis], shape[axis]
        shorter = int(o.alignCorners and m > 1)
        scale = (1024 * (n - shorter) + (m - shorter) // 2) // (m - shorter)
        at = np.arange(m) * scale + (scale // 2 - 512 if o.halfPixelCenters else 0)
        low = np.maximum(np.trunc(at / 1024).astype(np.int64), 0)
        high = np.minimum(np.trunc((at + 1023) / 1024).astype(np.int64), n - 1)
        require((low < n).all(), "a position beyond the input")
        share = at - 1024 * low
        sides.append(((low, 1024 - share), (high, share)))
    total = 0
    for rows, w in sides[0]:
        for columns, v in sides[1]:
            total = total + x[:, rows][:, :, columns] * w[:, None, None] * v[:, None]
    rounded = total + np.where(total > 0, 1 << 19, -(1 << 19))
    return np.sign(rounded) * (abs(rounded) >> 20)


def mirror_pad(o, x, rest, shape):
    return np.pad(x, rest[0], ("reflect", "symmetric")[o.mode])


def depth_to_space(o, x, rest, shape):
    n, h, w, _ = x.shape
    b = o.blockSize
    return x.reshape(n, h, w, b, b, -1).transpose(0, 1, 3, 2, 4, 5).reshape(shape)


def space_to_depth(o, x, rest, shape):
    n, h, w, _ = x.shape
    b = o.blockSize
    return x.reshape(n, h // b, b, w // b, b, -1).transpose(0, 1, 3, 2, 4, 5).reshape(shape)


def space_to_batch_nd(o, inputs, outputs):
    (x, block, borders), (y,) = inputs, outputs
    same_quantization(x, y)
    pads = [(0, 0), *map(tuple, borders.value.reshape(-1, 2)), (0, 0)]
    padded = np.pad(x.ints, pads, constant_values=y.zero)
    parts = [padded[(slice(None), *(slice(i, None, b) for i, b in zip(at, block.value)))]
             for at in np.ndindex(*block.value)]
    y.store(np.concatenate(parts))


def batch_to_space_nd(o, inputs, outputs):
    (x, block, crops), (y,) = inputs, outputs
    same_quantization(x, y)
    batch = x.shape[0] // int(np.prod(block.value))
    whole = np.empty((batch, *(n * b for n, b in zip(x.shape[1:], block.value)), x.shape[-1]), np.int64)
    for i, at in enumerate(np.ndindex(*block.value)):
        place = (slice(None), *(slice(begin, None, b) for begin, b in zip(at, block.value)))
        whole[place] = x.ints[i * batch : (i + 1) * batch]
    keep = [slice(before, n - after) for n, (before, after) in zip(whole.shape[1:], crops.value.reshape(-1, 2))]
    y.store(whole[(slice(None), *keep)])


def extremum(pick):
    def run(o, inputs, outputs):
        (a, b), (y,) = inputs, outputs
        same_quantization(a, y)
        same_quantization(b, y)
        y.store(pick(a.ints, b.ints))

    return run


def reduced(axes, x):
    return tuple({int(a) % len(x.shape) for a in axes.value.ravel()})


def reduce(pick):
    def run(o, inputs, outputs):
        (x, axes), (y,) = inputs, outputs
        same_quantization(x, y)
        y.store(pick(x.ints, axis=reduced(axes, x), keepdims=bool(o.keepDims)))

    return run


def sum_(o, inputs, outputs):
    (x, axes), (y,) = inputs, outputs
    total = x.centred.sum(reduced(axes, x), keepdims=bool(o.keepDims))
    y.store(requantize(total, float(x.scale) / float(y.scale), y))


def squared_difference(o, inputs, outputs):
    (a, b), (y,) = inputs, outputs
    twice = 2 * float(max(a.scale, b.scale))
    parts = [multiply(t.centred << 7, quantize_multiplier(float(t.scale) / twice)) for t in (a, b)]
    y.store(requantize((parts[0] - parts[1]) ** 2, twice * twice / (2.0**14 * float(y.scale)), y))


OPERATORS |= {
    "BATCH_TO_SPACE_ND": batch_to_space_nd,
    "DEPTH_TO_SPACE": move(depth_to_space),
    "GATHER": move(gather),
    "GATHER_ND": move(gather_nd),
    "MAXIMUM": extremum(np.maximum),
    "MINIMUM": extremum(np.minimum),
    "MIRROR_PAD": move(mirror_pad),
    "REDUCE_MAX": reduce(np.max),
    "REDUCE_MIN": reduce(np.min),
    "RESIZE_BILINEAR": move(resize_bilinear),
    "RESIZE_NEAREST_NEIGHBOR": move(resize_nearest_neighbor),
    "REVERSE_V2": move(lambda o, x, rest, shape: np.flip(x, tuple(rest[0]))),
    "SPACE_TO_BATCH_ND": space_to_batch_nd,
    "SPACE_TO_DEPTH": move(space_to_depth),
    "SQUARED_DIFFERENCE": squared_difference,
    "SUM": sum_,
}
