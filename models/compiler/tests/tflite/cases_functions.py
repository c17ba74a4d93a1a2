"""Models of functions of one value and of normalizations. See cases.py."""

from builder import fb
from cases import case, refused

# TFLM has no int8 kernel for these; LiteRT populates tables.
POPULATED = {
    "exp": ("EXP", None),
    "log": ("LOG", None),
    "gelu": ("GELU", lambda: fb.GeluOptionsT(False)),
    "gelu_tanh": ("GELU", lambda: fb.GeluOptionsT(True)),
}
WAYS = {"": (0.05, -3, 0.04, -100), "_fine": (0.013, 30, 0.017, 4), "_coarse": (0.3, -60, 0.9, -20)}


def unary(name, options, x_scale, x_zero, scale, zero_point):
    return lambda n: n.unary(
        name, n.input(2, 128, scale=x_scale, zero_point=x_zero), options and options(), scale, zero_point
    )


for label, (name, options) in POPULATED.items():
    for suffix, way in WAYS.items():
        case(label + suffix, unary(name, options, *way), litert=True)
case("exp_saturating", unary("EXP", None, 3.0, -128, 0.02, -128), litert=True)
for suffix, way in WAYS.items():
    case("abs" + suffix, unary("ABS", None, *way))
case("abs_same_scale", unary("ABS", None, 0.05, -3, 0.05, -3))
for suffix, (x_scale, scale, zero_point) in {"": (0.05, 0.04, -100), "_fine": (0.0007, 0.3, 5), "_wide": (4.0, 0.01, -128)}.items():
    case("rsqrt" + suffix, unary("RSQRT", None, x_scale, -128, scale, zero_point))
    case("sqrt" + suffix, unary("SQRT", None, x_scale, -128, scale, zero_point), litert=True)
case("relu_n1_to_1", unary("RELU_N1_TO_1", None, 0.02, 7, 0.02, 7), litert=True)
case("relu_0_to_1", unary("RELU_0_TO_1", None, 0.02, 7, 0.02, 7), litert=True)


def l2_normalization(shape, scale=0.05, zero_point=-3):
    return lambda n: n.unary("L2_NORMALIZATION", n.input(*shape, scale=scale, zero_point=zero_point), fb.L2NormOptionsT(), 1 / 128, 0)


case("l2_normalization", l2_normalization((3, 64)))
case("l2_normalization_image", l2_normalization((1, 3, 4, 5), 0.01, 127))
case("l2_normalization_short", l2_normalization((30, 2), 0.01, -128))
case("l2_normalization_one", l2_normalization((9, 1)))
case("l2_normalization_long", l2_normalization((1, 700), 0.3, -128))


def layer_norm(n, shape):
    """As Keras writes it: MEAN, SQUARED_DIFFERENCE, MEAN, ADD, RSQRT, MUL, SUB, ADD."""
    x = n.input(*shape)
    channels = shape[-1]
    axis = [len(shape) - 1]
    mean = n.mean(x, axis, scale=0.02, zero_point=-2)
    reduced = (*shape[:-1], 1)
    squares = n.op("SQUARED_DIFFERENCE", [x, mean], [shape], fb.SquaredDifferenceOptionsT(), scale=0.11, zero_point=-128)
    variance = n.mean(squares, axis, scale=0.05, zero_point=-128)
    epsilon = n.tensor((), scale=0.001 / 127, zero_point=0, data=127)
    sum_ = n.op("ADD", [variance, epsilon], [reduced], fb.AddOptionsT(), scale=0.05, zero_point=-128)
    deviation = n.op("RSQRT", [sum_], [reduced], None, scale=0.018, zero_point=-128)
    gain = n.binary("MUL", deviation, n.constant(channels, scale=0.011, zero_point=3), scale=0.02, zero_point=2)
    scaled = n.binary("MUL", x, gain, scale=0.05, zero_point=-1)
    shift = n.binary("MUL", mean, gain, scale=0.02, zero_point=4)
    bias = n.binary("SUB", n.constant(channels, scale=0.01, zero_point=-8), shift, scale=0.03, zero_point=0)
    return n.binary("ADD", scaled, bias, scale=0.06, zero_point=1)


case("layer_norm_keras", lambda n: layer_norm(n, (1, 7, 16)))
case("layer_norm_keras_image", lambda n: layer_norm(n, (1, 3, 4, 8)))


def tile(x_shape, repeats, dtype="i8", zero_point=-3):
    def build(n):
        x = n.input(*x_shape, dtype=dtype, zero_point=zero_point)
        return n.like("TILE", x, [[a * b for a, b in zip(x_shape, repeats)]], [n.ints(repeats)], fb.TileOptionsT())

    return build


case("tile", tile((2, 3, 4), (1, 3, 2)), litert=True)
case("tile_i16", tile((3, 5), (4, 1), "i16", 0), litert=True)

refused("rsqrt_negative_operand", unary("RSQRT", None, 0.05, -3, 0.04, -100))
refused("sqrt_negative_operand", unary("SQRT", None, 0.05, -3, 0.04, -100))
refused("l2_normalization_scale", lambda n: n.unary("L2_NORMALIZATION", n.input(2, 5), fb.L2NormOptionsT(), 1 / 64, 0))
refused(
    "div",
    lambda n: n.op("DIV", [n.input(1, 4), n.input(1, 4)], [(1, 4)], fb.DivOptionsT(), scale=0.1, zero_point=-4),
)
