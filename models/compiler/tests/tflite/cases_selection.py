"""Models of operators that pick, compare, interpolate or rearrange elements. See cases.py."""

import numpy as np
from builder import fb
from cases import case, refused


def gather(n, x, indices, axis, batch_dims=0, indices_type="i32"):
    indices = np.asarray(indices)
    shape = (*x.shape[:axis], *indices.shape[batch_dims:], *x.shape[axis + 1 :])
    table = n.tensor(indices.shape, indices_type, data=indices)
    return n.like("GATHER", x, [shape], [table], fb.GatherOptionsT(axis, batch_dims))


def gather_nd(n, x, indices):
    indices = np.asarray(indices)
    shape = (*indices.shape[:-1], *x.shape[indices.shape[-1] :])
    return n.like("GATHER_ND", x, [shape], [n.ints(indices)], fb.GatherNdOptionsT())


def nearest(n, x, size, align=False, half=False):
    options = fb.ResizeNearestNeighborOptionsT(align, half)
    return n.like("RESIZE_NEAREST_NEIGHBOR", x, [(x.shape[0], *size, x.shape[3])], [n.ints(size)], options)


def bilinear(n, x, size, align=False, half=False):
    options = fb.ResizeBilinearOptionsT(align, half)
    return n.like("RESIZE_BILINEAR", x, [(x.shape[0], *size, x.shape[3])], [n.ints(size)], options)


def mirror_pad(n, x, borders, mode):
    shape = [before + length + after for length, (before, after) in zip(x.shape, borders)]
    return n.like("MIRROR_PAD", x, [shape], [n.ints(borders)], fb.MirrorPadOptionsT(mode))


def depth_to_space(n, x, b):
    batch, h, w, c = x.shape
    return n.like("DEPTH_TO_SPACE", x, [(batch, h * b, w * b, c // b // b)], options=fb.DepthToSpaceOptionsT(b))


def space_to_depth(n, x, b):
    batch, h, w, c = x.shape
    return n.like("SPACE_TO_DEPTH", x, [(batch, h // b, w // b, c * b * b)], options=fb.SpaceToDepthOptionsT(b))


def space_to_batch(n, x, block, borders):
    padded = [length + before + after for length, (before, after) in zip(x.shape[1:], borders)]
    shape = (x.shape[0] * int(np.prod(block)), *(p // b for p, b in zip(padded, block)), x.shape[-1])
    return n.like("SPACE_TO_BATCH_ND", x, [shape], [n.ints(block), n.ints(borders)], fb.SpaceToBatchNDOptionsT())


def batch_to_space(n, x, block, crops):
    sizes = [length * b - before - after for length, b, (before, after) in zip(x.shape[1:], block, crops)]
    shape = (x.shape[0] // int(np.prod(block)), *sizes, x.shape[-1])
    return n.like("BATCH_TO_SPACE_ND", x, [shape], [n.ints(block), n.ints(crops)], fb.BatchToSpaceNDOptionsT())


def extremum(n, name, a, b):
    return n.like(name, a, [np.broadcast_shapes(a.shape, b.shape)], [b], fb.MaximumMinimumOptionsT())


def reduce(n, name, x, axes, keep_dims=True, scale=None, zero_point=None):
    reduced = [a % len(x.shape) for a in axes]
    shape = [1 if i in reduced else length for i, length in enumerate(x.shape) if keep_dims or i not in reduced]
    zero_point = x.zero_point if zero_point is None else zero_point
    options = fb.ReducerOptionsT(keep_dims)
    return n.op(name, [x, n.ints(axes)], [shape], options, scale=scale or x.scale, zero_point=zero_point)


def squared_difference(n, a, b, scale, zero_point):
    shape = np.broadcast_shapes(a.shape, b.shape)
    return n.op("SQUARED_DIFFERENCE", [a, b], [shape], fb.SquaredDifferenceOptionsT(), scale=scale, zero_point=zero_point)


def other(n, *shape):
    """A second input of the same quantization as the first."""
    return n.input(*shape)


# Selection by position.
case("gather_last_axis", lambda n: gather(n, n.input(2, 3, 7), [6, 0, 2, 2, 5], 2))
case("gather_first_axis_evenly", lambda n: gather(n, n.input(9, 4), [7, 5, 3], 0))
case("gather_scalar_index", lambda n: gather(n, n.input(2, 5, 3), 3, 1))
case("gather_table_of_indices", lambda n: gather(n, n.input(2, 4, 3), [[3, 0], [1, 1], [2, 3]], 1))
case("gather_batch_dims", lambda n: gather(n, n.input(2, 5, 3), [[4, 0, 1], [2, 2, 3]], 1, 1))
case("gather_batch_dims_axis_beyond", lambda n: gather(n, n.input(2, 3, 4, 2), [[3, 0], [1, 2]], 2, 1))
case("gather_nd_rows", lambda n: gather_nd(n, n.input(3, 4, 2), [[2], [0], [2]]))
case("gather_nd_elements", lambda n: gather_nd(n, n.input(3, 4, 2), [[[2, 3, 1], [0, 0, 0]], [[1, 2, 0], [2, 0, 1]]]))
case("reverse_rows", lambda n: n.like("REVERSE_V2", x := n.input(2, 5, 3), [x.shape], [n.ints([1])], fb.ReverseV2OptionsT()))
case("reverse_last", lambda n: n.like("REVERSE_V2", x := n.input(2, 5, 3), [x.shape], [n.ints([2])], fb.ReverseV2OptionsT()))
case("mirror_pad_reflect", lambda n: mirror_pad(n, n.input(1, 4, 5, 2), [(0, 0), (2, 3), (1, 0), (0, 0)], 0))
case("mirror_pad_symmetric", lambda n: mirror_pad(n, n.input(3, 4), [(3, 1), (0, 4)], 1))
case("nearest_twice", lambda n: nearest(n, n.input(1, 3, 4, 2), (6, 8)))
case("nearest_odd_sizes", lambda n: nearest(n, n.input(2, 5, 7, 3), (8, 4)))
case("nearest_align_corners", lambda n: nearest(n, n.input(1, 4, 5, 2), (7, 3), align=True))
case("nearest_half_pixel", lambda n: nearest(n, n.input(1, 4, 5, 2), (9, 3), half=True))
case("nearest_align_and_half", lambda n: nearest(n, n.input(1, 4, 6, 1), (9, 11), align=True, half=True))
case("nearest_same_size", lambda n: nearest(n, n.input(1, 3, 3, 2), (3, 3)))
case("nearest_to_one", lambda n: nearest(n, n.input(1, 6, 5, 2), (1, 1), align=True))

# Interpolation.
case("bilinear_twice", lambda n: bilinear(n, n.input(1, 4, 3, 3), (8, 6)))
case("bilinear_align_corners", lambda n: bilinear(n, n.input(1, 4, 5, 2), (7, 9), align=True))
case("bilinear_half_pixel", lambda n: bilinear(n, n.input(1, 4, 5, 2), (8, 10), half=True))
case("bilinear_smaller", lambda n: bilinear(n, n.input(2, 9, 8, 2), (4, 3)))
case("bilinear_smaller_half_pixel", lambda n: bilinear(n, n.input(1, 11, 7, 2), (5, 3), half=True))
case("bilinear_odd_ratios", lambda n: bilinear(n, n.input(1, 7, 5, 3), (13, 17), half=True))
case("bilinear_one_row", lambda n: bilinear(n, n.input(1, 1, 6, 2), (4, 9), align=True))
case("bilinear_to_one", lambda n: bilinear(n, n.input(1, 5, 4, 2), (1, 1), align=True))
case("bilinear_large", lambda n: bilinear(n, n.input(1, 20, 24, 1), (33, 50)))

# Blocks.
case("depth_to_space_2", lambda n: depth_to_space(n, n.input(1, 3, 4, 8), 2))
case("depth_to_space_3_batch", lambda n: depth_to_space(n, n.input(2, 2, 1, 18), 3))
case("space_to_depth_2", lambda n: space_to_depth(n, n.input(1, 4, 6, 3), 2))
case("space_to_depth_3_batch", lambda n: space_to_depth(n, n.input(2, 3, 6, 1), 3))
case("space_to_batch_2x2", lambda n: space_to_batch(n, n.input(1, 4, 6, 3), (2, 2), [(0, 0), (0, 0)]))
# TFLM fills the border from memory that nothing has written.
case("space_to_batch_padded", lambda n: space_to_batch(n, n.input(2, 3, 5, 2), (2, 3), [(1, 2), (0, 1)]), litert=True)
case("space_to_batch_one_axis", lambda n: space_to_batch(n, n.input(2, 7, 3), (4,), [(0, 1)]), litert=True)
case("batch_to_space_2x2", lambda n: batch_to_space(n, n.input(4, 3, 2, 3), (2, 2), [(0, 0), (0, 0)]))
case("batch_to_space_cropped", lambda n: batch_to_space(n, n.input(12, 3, 2, 2), (2, 3), [(1, 0), (2, 1)]))
case("batch_to_space_one_axis", lambda n: batch_to_space(n, n.input(6, 4, 2), (3,), [(1, 2)]))
case(
    "dilated_conv_by_batches",
    lambda n: batch_to_space(
        n, n.conv(space_to_batch(n, n.input(1, 6, 8, 2), (2, 2), [(0, 0), (0, 0)]), 3, 3), (2, 2), [(0, 0), (0, 0)]
    ),
)

# Comparison.
case("minimum_same_shape", lambda n: extremum(n, "MINIMUM", n.input(1, 4, 5, 2), other(n, 1, 4, 5, 2)))
case("minimum_channels", lambda n: extremum(n, "MINIMUM", n.input(1, 3, 4, 5), other(n, 5)))
case("minimum_constant", lambda n: extremum(n, "MINIMUM", n.input(2, 6), n.constant(6, scale=0.05, zero_point=-3)))
case("maximum_same_shape", lambda n: extremum(n, "MAXIMUM", n.input(1, 4, 5, 2), other(n, 1, 4, 5, 2)))
case("maximum_scalar", lambda n: extremum(n, "MAXIMUM", n.input(2, 3, 4), n.constant(1, scale=0.05, zero_point=-3)))
case("maximum_both_ways", lambda n: extremum(n, "MAXIMUM", n.input(1, 4, 1, 3), other(n, 1, 1, 5, 3)))
case("reduce_max_rows", lambda n: reduce(n, "REDUCE_MAX", n.input(2, 5, 3, 4), [1]))
case("reduce_max_image_dropped", lambda n: reduce(n, "REDUCE_MAX", n.input(1, 5, 3, 4), [1, 2], False))
case("reduce_max_all", lambda n: reduce(n, "REDUCE_MAX", n.input(3, 7), [0, -1]))
case("reduce_min_last", lambda n: reduce(n, "REDUCE_MIN", n.input(2, 5, 3), [-1], False))
case("reduce_min_outer", lambda n: reduce(n, "REDUCE_MIN", n.input(4, 3, 2), [0, 2]))

# Sums and differences.
case("sum_rows", lambda n: reduce(n, "SUM", n.input(2, 5, 3), [1], True, 0.3, 7))
case("sum_image", lambda n: reduce(n, "SUM", n.input(1, 6, 5, 3), [1, 2], False, 0.5, -20))
case("sum_saturating", lambda n: reduce(n, "SUM", n.input(3, 30), [1]))
case("sum_fine_output", lambda n: reduce(n, "SUM", n.input(4, 3), [1], True, 0.011, 3))
case("squared_difference_same", lambda n: squared_difference(n, n.input(2, 3, 4), other(n, 2, 3, 4), 0.2, -128))
case(
    "squared_difference_scales",
    lambda n: squared_difference(n, n.input(1, 4, 5, 2), n.input(5, 2, scale=0.013, zero_point=70), 0.31, -90),
)
case("squared_difference_fine", lambda n: squared_difference(n, n.input(3, 8), n.input(3, 1, scale=0.02), 0.004, -128))
case(
    "variance",
    lambda n: n.mean(
        squared_difference(n, x := n.input(2, 12), n.mean(x, [1]), 0.08, -128), [1], True, 0.03, -128
    ),
)

refused("gather_from_input", lambda n: n.like("GATHER", n.input(3, 4), [(2, 4)], [n.input(2, dtype="i32", scale=None)], fb.GatherOptionsT(0)))
refused("gather_index_outside", lambda n: gather(n, n.input(3, 4), [0, 3], 0))
refused("gather_rescaled", lambda n: n.op("GATHER", [n.input(3, 4), n.ints([2])], [(1, 4)], fb.GatherOptionsT(0), scale=0.1))
refused("bilinear_beyond_input", lambda n: bilinear(n, n.input(1, 1, 4, 1), (70, 4)))
refused("maximum_unequal_scales", lambda n: extremum(n, "MAXIMUM", n.input(1, 4), n.input(1, 4, scale=0.07)))
refused("reduce_max_rescaled", lambda n: reduce(n, "REDUCE_MAX", n.input(2, 4), [1], True, 0.1, 0))
refused("arg_max", lambda n: n.op("ARG_MAX", [n.input(3, 4), n.ints(1)], [(3,)], fb.ArgMaxOptionsT(fb.TensorType.INT32), "i32"))

# int16.
case("minimum_i16", lambda n: n.op(
    "MINIMUM", [n.input(2, 3, 4, dtype="i16", zero_point=0), n.input(4, dtype="i16", zero_point=0)], [(2, 3, 4)],
    fb.MaximumMinimumOptionsT(), "i16", 0.05, 0,
))
case("maximum_i16", lambda n: n.op(
    "MAXIMUM", [n.input(2, 3, 4, dtype="i16", zero_point=0), n.input(3, 1, dtype="i16", zero_point=0)], [(2, 3, 4)],
    fb.MaximumMinimumOptionsT(), "i16", 0.05, 0,
))
case("nearest_i16", lambda n: nearest(n, n.input(1, 3, 4, 2, dtype="i16", zero_point=0), (6, 7)))
case("gather_i16", lambda n: gather(n, n.input(2, 5, 3, dtype="i16", zero_point=0), [4, 0, 0], 1), litert=True)
refused("bilinear_i16", lambda n: bilinear(n, n.input(1, 3, 4, 2, dtype="i16", zero_point=0), (6, 7)))
