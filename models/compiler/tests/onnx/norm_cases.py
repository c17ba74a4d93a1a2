"""Small models that normalize or divide: LayerNormalization, RMSNormalization, Div, PRelu with a slope per channel."""

import numpy as np

from ort_compare import F, I8, U8, Qdq


def layer_norms(rng):
    n = Qdq(rng, opset=17)
    found = {}
    ways = [
        ([6, 40, 64], -1, 0.031, 3, 0.021, -4, 1e-5),
        ([30, 9, 7], 1, 0.004, -128, 0.033, 11, 1e-5),
        ([200, 10], -1, 1.7, 60, 0.0171, 127, 1e-3),
        ([50, 3], -1, 0.0007, 0, 0.0123, 0, 1e-5),
        ([3, 500], -1, 0.05, -7, 0.042, 20, 1e-12),
    ]
    for i, (shape, axis, xs, xz, ys, yz, epsilon) in enumerate(ways):
        last = shape[axis:]
        x = n.dq(n.input(f"x{i}", I8, shape), xs, xz)
        gamma = n.constant((1 + 0.3 * rng.standard_normal(last)).astype(np.float32))
        beta = n.constant((0.4 * rng.standard_normal(last)).astype(np.float32))
        if i == 1:
            # Constants quantized as quantize_static does.
            gamma = n.dq(n.constant(rng.integers(-127, 128, last).astype(np.int8)), 0.013, 0)
        y = n.op("LayerNormalization", x, gamma, *([] if i == 4 else [beta]), axis=axis, epsilon=epsilon)
        kind = np.uint8 if i == 2 else np.int8
        found[n.q(y, ys, yz, kind)] = U8 if i == 2 else I8
    return n.model(**found)


def rms_norm(rng):
    n = Qdq(rng, opset=23)
    found = {}
    for i, (shape, xs, xz, ys) in enumerate([([5, 20, 48], 0.031, 3, 0.023), ([90, 11], 0.0009, -50, 0.031)]):
        x = n.dq(n.input(f"x{i}", I8, shape), xs, xz)
        gamma = n.constant((1 + 0.3 * rng.standard_normal(shape[-1:])).astype(np.float32))
        found[n.q(n.op("RMSNormalization", x, gamma, axis=-1, epsilon=1e-5), ys, -3)] = I8
    return n.model(**found)


def transformer_block(rng):
    """Embeddings in, two linear layers with GELU between, LayerNormalization behind the sum."""
    n = Qdq(rng, opset=20)
    x = n.qdq(n.input("x", F, [1, 12, 16]), 0.03, -3)
    w, s = n.weights([16, 24], axis=1)
    y = n.qdq(n.op("Add", n.op("MatMul", x, w), n.bias(s, 0.03)), 0.041, 4)
    y = n.qdq(n.op("Gelu", y), 0.024, -121)
    w, s = n.weights([24, 16], axis=1)
    y = n.qdq(n.op("Add", n.op("MatMul", y, w), n.bias(s, 0.024)), 0.037, 1)
    y = n.qdq(n.op("Add", y, x), 0.051, -2)
    gamma = n.constant((1 + 0.2 * rng.standard_normal(16)).astype(np.float32))
    beta = n.constant((0.2 * rng.standard_normal(16)).astype(np.float32))
    return n.model(**{n.qdq(n.op("LayerNormalization", y, gamma, beta), 0.022, 5): F})


def quotients(rng):
    n = Qdq(rng, opset=17)
    a = n.dq(n.input("a", I8, [2, 4, 30, 20]), 0.031, 3)
    b = n.dq(n.input("b", U8, [2, 4, 1, 20]), 0.017, 0, np.uint8)
    # Away from zero, which ONNX Runtime's quotients of zero by zero are no numbers at.
    b = n.qdq(n.op("Add", b, n.constant(np.float32(0.21))), 0.018, -128)
    found = {n.q(n.op("Div", a, b), 0.0412, -5): I8, n.q(n.op("Div", b, n.qdq(n.op("Exp", a), 0.33, -129 + 1)), 0.0173, 9, np.uint8): U8}
    slope = n.dq(n.constant(rng.integers(-127, 128, (4, 1, 1)).astype(np.int8)), 0.0031, 5)
    found[n.q(n.op("PRelu", a, slope), 0.0277, -11)] = I8
    for i, kind in enumerate(["Tan", "Atan", "Sinh", "Cosh", "Asinh", "Shrink"]):
        found[n.q(n.op(kind, a), 0.019 + 0.004 * i, 3 * i)] = I8
    return n.model(**found)


def decomposed_layer_norm(rng):
    """As quantize_static leaves an older export: ReduceMean, Sub, Pow, ReduceMean, Add, Sqrt, Div, Mul, Add."""
    n = Qdq(rng, opset=17)
    x = n.dq(n.input("x", I8, [4, 12, 24]), 0.031, 3)
    mean = n.qdq(n.op("ReduceMean", x, axes=[-1]), 0.0071, -2)
    d = n.qdq(n.op("Sub", x, mean), 0.033, 4)
    square = n.qdq(n.op("Pow", d, n.constant(np.float32(2))), 0.07, -128)
    variance = n.qdq(n.op("ReduceMean", square, axes=[-1]), 0.041, -128)
    deviation = n.qdq(n.op("Sqrt", n.op("Add", variance, n.constant(np.float32(1e-5)))), 0.0131, -128)
    y = n.qdq(n.op("Div", d, deviation), 0.0193, 1)
    gamma = n.dq(n.constant(rng.integers(60, 128, 24).astype(np.int8)), 0.011, 0)
    beta = n.dq(n.constant(rng.integers(-60, 60, 24).astype(np.int8)), 0.007, 0)
    y = n.op("Add", n.qdq(n.op("Mul", y, gamma), 0.021, -3), beta)
    return n.model(**{n.q(y, 0.023, 2): I8})


def cases(rng):
    made = [("layer_norm", layer_norms(rng)), ("rms_norm", rms_norm(rng)), ("transformer_block", transformer_block(rng))]
    return made + [("quotients", quotients(rng)), ("decomposed_layer_norm", decomposed_layer_norm(rng))]
