"""The operators that pick, compare or interpolate values, on Python's exact integers."""

from arith import MB, clamp, div_trunc
from ops import accumulator, at, average, broadcast, indices, requantize


def gather(inputs, attrs, consts, rounding, shape):
    (x,) = inputs
    axis, out = attrs["axis"], []
    for index in indices(shape):
        out.append(at(x, *index[:axis], consts["indices"][index[axis]], *index[axis + 1:]))
    return out


def resize_bilinear(inputs, attrs, consts, rounding, shape):
    (x,) = inputs
    _, height, width, _ = x[0]
    unit = attrs["row_unit"] * attrs["column_unit"]
    out = []
    for n, oy, ox, c in indices(shape):
        total = 0
        for row, weight in neighbours(consts["rows"][oy], consts["row_weights"][oy], attrs["row_unit"], height):
            for column, share in neighbours(consts["columns"][ox], consts["column_weights"][ox], attrs["column_unit"],
                                            width):
                total += weight * share * at(x, n, row, column, c)
        if rounding == "tflite":
            value = div_trunc(accumulator(total + (unit // 2 if total > 0 else -(unit // 2))), unit)
            out.append(clamp(value, attrs["low"], attrs["high"]))
        else:
            out.append(average(total - attrs["input_zero_point"] * unit, attrs["mantissa"], attrs["shift"],
                               attrs["output_zero_point"], attrs["low"], attrs["high"], rounding))
    return out


def neighbours(position, weight, unit, length):
    """(position, weight) of the element before and of the one after."""
    return (position, unit - weight), (min(position + 1, length - 1), weight)


def choose(pick):
    def run(inputs, attrs, consts, rounding, shape):
        return [pick(pair) for pair in broadcast(inputs, shape)]
    return run


def reduce(pick):
    def run(inputs, attrs, consts, rounding, shape):
        (x,) = inputs
        groups = {}
        for index, value in zip(indices(x[0]), x[1]):
            kept = tuple(i for axis, i in enumerate(index) if not attrs["axes"] >> axis & 1)
            groups.setdefault(kept, []).append(value)
        return [pick(values) for _, values in sorted(groups.items())]
    return run


def squared_difference(inputs, attrs, consts, rounding, shape):
    out = []
    for pair in broadcast(inputs, shape):
        u1, u2 = (
            MB[rounding](accumulator((x - attrs[f"input{i}_zero_point"]) << attrs["left_shift"]), attrs[f"mantissa{i}"],
                         attrs[f"shift{i}"])
            for i, x in enumerate(pair, 1)
        )
        out.append(requantize((u1 - u2) ** 2, attrs["mantissa"], attrs["shift"], attrs["output_zero_point"],
                              attrs["low"], attrs["high"], rounding))
    return out


OPS = {
    "gather": gather,
    "resize_bilinear": resize_bilinear,
    "minimum": choose(min),
    "maximum": choose(max),
    "reduce_max": reduce(max),
    "reduce_min": reduce(min),
    "squared_difference": squared_difference,
}
