"""Small models of operators that pick, compare, reduce or resize: through `quantize_static` and written by hand."""

import numpy as np
from onnxruntime.quantization import QuantType

from ort_compare import F, I8, U8, Net, Qdq, quantize

UINT8 = {"activation": QuantType.QUInt8}
PLACINGS = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]


def float_networks(rng):
    n = Net(rng, x=[1, 4, 6, 5])
    y = n.op("Relu", n.conv("x", 6, 4, 3, 3, pads=[1, 1, 1, 1]))
    scales = n.constant(np.array([1, 1, 2, 2], np.float32))
    y = n.op("Resize", y, n.constant(np.zeros(0, np.float32)), scales, mode="nearest",
             coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    yield "resize_nearest_unet", n.model(n.op("Concat", n.conv(y, 4, 6, 1, 1), y, axis=1)), {}

    n = Net(rng, x=[1, 3, 6, 8])
    a, b = n.conv("x", 6, 3, 3, 3), n.conv("x", 6, 3, 3, 3)
    y = n.op("Max", a, b)
    yield "maxout_reduce", n.model(n.op("Flatten", n.op("ReduceMax", y, n.ints(2, 3), keepdims=1)), opset=18), UINT8

    n = Net(rng, x=[1, 8, 4, 3])
    y = n.op("DepthToSpace", n.conv("x", 8, 8, 1, 1), blocksize=2, mode="CRD")
    yield "pixel_shuffle", n.model(n.conv(y, 3, 2, 3, 3)), {}


def gather_indices():
    n = Qdq(None)
    x = n.dq(n.input("x", I8, [2, 5, 6, 3]), 0.02, 7)
    found = {}
    for i, (indices, axis) in enumerate([([4, 0, 0, 3], 1), ([[5, 1], [2, 2], [-1, 0]], 2), (np.array(2), 3), ([3, 1], 1)]):
        y = n.op("Gather", x, n.constant(np.array(indices, np.int64)), axis=axis)
        found[n.q(y, 0.023 + 0.004 * i, -5 * i)] = I8
    y = n.op("Tile", x, n.constant(np.array([1, 2, 1, 3], np.int64)))
    found[n.q(y, 0.031, 3)] = I8
    return n.model(**found)


def blocks():
    n = Qdq(None)
    x = n.dq(n.input("x", I8, [2, 8, 4, 6]), 0.02, 7)
    found = {}
    for i, mode in enumerate(["DCR", "CRD"]):
        found[n.q(n.op("DepthToSpace", x, blocksize=2, mode=mode), 0.023 + 0.004 * i, -5)] = I8
    found[n.q(n.op("SpaceToDepth", x, blocksize=2), 0.033, 4)] = I8
    for i, mode in enumerate(["reflect", "edge", "wrap"]):
        pads = n.constant(np.array([0, 0, 1, 2, 0, 0, 3, 1], np.int64))
        found[n.q(n.op("Pad", x, pads, mode=mode), 0.021 + 0.004 * i, 11)] = I8
    return n.model(**found)


def extremes():
    n = Qdq(None, opset=18)
    a = n.dq(n.input("a", I8, [2, 4, 6, 5]), 0.02, 7)
    b = n.dq(n.input("b", U8, [2, 4, 1, 5]), 0.017, 110, np.uint8)
    found = {n.q(n.op("Max", a, b), 0.0223, -5): I8, n.q(n.op("Min", b, a), 0.019, 100, np.uint8): U8}
    c = n.dq(n.constant(np.array([[[-60]], [[9]], [[40]], [[120]]], np.int8)), 0.011, -3)
    found[n.q(n.op("Min", a, c), 0.0177, 20)] = I8
    found[n.q(n.op("Max", n.op("Sigmoid", a), n.op("Tanh", b)), 0.0081, 1)] = I8
    d = n.dq(n.input("d", I8, [4, 6, 1]), 0.013, -20)
    found[n.q(n.op("Max", a, b, d), 0.0213, 17)] = I8
    axes = n.constant(np.array([1, -1], np.int64))
    found[n.q(n.op("ReduceMax", a, axes, keepdims=0), 0.02, 7)] = I8
    found[n.q(n.op("ReduceMin", n.op("Sigmoid", a), axes, keepdims=1), 0.0043, -128)] = I8
    found[n.q(n.op("ReduceMin", b, keepdims=0), 0.0143, 99, np.uint8)] = U8
    found[n.q(n.op("ReduceSum", a, n.constant(np.array([2], np.int64)), keepdims=0), 0.0537, -9)] = I8
    found[n.q(n.op("ReduceSum", b, n.constant(np.array([0, 1, 3], np.int64))), 0.353, 120, np.uint8)] = U8
    return n.model(**found)


def resize(mode, x_shape, ways):
    n = Qdq(None, opset=13)
    x = n.dq(n.input("x", I8, x_shape), 0.02, 7)
    none = n.constant(np.zeros(0, np.float32))
    found = {}
    for i, (attributes, how) in enumerate(ways):
        if isinstance(how[0], float):
            inputs = [none, n.constant(np.array([1, 1, *how], np.float32))]
        else:
            inputs = [none, none, n.constant(np.array([*x_shape[:2], *how], np.int64))]
        y = n.op("Resize", x, *inputs, mode=mode, **attributes)
        # Another scale, of which no quotient is simple: no weighted sum lies at an exact half.
        found[n.q(y, 0.0217 + 0.0013 * (i % 7), 3 * i % 20)] = I8
    return n.model(**found)


def resizes():
    nearest = [
        ({"coordinate_transformation_mode": place, "nearest_mode": rounding}, how)
        for i, place in enumerate(PLACINGS)
        for j, rounding in enumerate(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
        for how in [((9, 4), (2.0, 3.0), (13, 7), (0.5, 1.3))[(i + j) % 4], (11, 15)]
    ]
    yield "resize_nearest_modes", resize("nearest", [1, 2, 6, 5], nearest)
    linear = [({"coordinate_transformation_mode": place}, how) for place in PLACINGS
              for how in ((12, 10), (2.0, 3.0), (9, 4), (0.5, 1.4), (13, 17), (1, 1))]
    yield "resize_linear_modes", resize("linear", [1, 3, 6, 5], linear)
    lines = [({"coordinate_transformation_mode": place}, how) for place in PLACINGS for how in ((21,), (2.5,), (4,))]
    yield "resize_linear_one_axis", resize("linear", [2, 3, 10], lines)


def cases(rng):
    made = [(name, quantize(model, rng, **how)) for name, model, how in float_networks(rng)]
    made += [("gather_indices", gather_indices()), ("blocks", blocks()), ("extremes", extremes())]
    return made + list(resizes())
