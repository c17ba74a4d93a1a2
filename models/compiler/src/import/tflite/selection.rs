//! Operators that pick elements by position or by size, and those that resize images.

use super::context::Activation;
use super::dense::{reduced_axes, reduction};
use super::elementwise::broadcast;
use super::movement::{cut, extents, with_extent};
use super::op::Op;
use super::schema::{DepthToSpace, Gather, MirrorPad, Reducer, ResizeBilinear, ResizeNearestNeighbor, SpaceToDepth};
use crate::error::CompileError;
use crate::graph::{Clamp, NodeOp};
use crate::resize::TflitePlacing;
use tanbo_format::ElementType;

/// Adds what takes `indices` along `axis`: a slice where they are evenly spaced, else a selection by a list.
fn pick(op: &mut Op, x: &Activation, axis: usize, indices: Vec<usize>, y: &Activation) {
    let step = match indices.as_slice() {
        &[first, second, ..] => second as isize - first as isize,
        _ => 1,
    };
    let even = indices.iter().zip(indices.iter().skip(1)).all(|(&a, &b)| b as isize - a as isize == step);
    let node = if even {
        let mut begin = vec![0; x.shape.len()];
        let mut stride = vec![1; x.shape.len()];
        if let (Some(b), Some(s), Some(&first)) = (begin.get_mut(axis), stride.get_mut(axis), indices.first()) {
            (*b, *s) = (first, step);
        }
        NodeOp::Slice { begin, stride }
    } else {
        NodeOp::Gather { axis, indices }
    };
    op.push(node, &[x], y);
}

/// Adds `pick` along each axis that is listed; what lies between has names of its own.
fn pick_each(op: &mut Op, x: Activation, mut picks: Vec<(usize, Vec<usize>)>, y: &Activation) {
    // The axis that shrinks most, or grows least, first: what lies between is smallest so.
    picks.sort_by_key(|(axis, indices)| indices.len() * 1024 / x.shape.get(*axis).copied().unwrap_or(1));
    let count = picks.len();
    let mut current = x;
    for (i, (axis, indices)) in picks.into_iter().enumerate() {
        if i + 1 == count {
            return pick(op, &current, axis, indices, y);
        }
        let shape = with_extent(&current.shape, axis, indices.len());
        let next = op.temporary_like("picked", &shape, &current);
        pick(op, &current, axis, indices, &next);
        current = next;
    }
    op.push(NodeOp::Reshape, &[&current], y);
}

/// Positions from a list of the file, each in `0..extent`.
fn positions(op: &Op, values: &[i64], extent: usize) -> Result<Vec<usize>, CompileError> {
    let inside = |&v: &i64| usize::try_from(v).ok().filter(|&v| v < extent);
    let converted: Option<Vec<usize>> = values.iter().map(inside).collect();
    converted.ok_or_else(|| op.inconsistent(format!("an index lies outside 0..{extent}")))
}

/// GATHER: input, indices; constant ones only.
pub fn gather(op: &mut Op) -> Result<(), CompileError> {
    op.arity(2, 2, 1)?;
    let options: Gather = op.options()?;
    let x = op.wide_activation(0)?;
    let rank = x.shape.len();
    let axis = op.axis(options.axis()?.into(), rank)?;
    let (shape, values) = op.index_list(1)?;
    let batch_dims = options.batch_dims()?;
    let batch = if batch_dims < 0 { i64::from(batch_dims) + shape.len() as i64 } else { batch_dims.into() };
    let batch = usize::try_from(batch).ok().filter(|&b| b <= axis && b <= shape.len());
    let batch =
        batch.ok_or_else(|| op.inconsistent(format!("it has {batch_dims} batch axes, and gathers on {axis}")))?;
    let (outer, rest) = x.shape.split_at(axis);
    let (&extent, inner) = rest.split_first().ok_or_else(|| op.inconsistent("its input is a scalar"))?;
    let (batches, list) = shape.split_at(batch);
    if outer.get(..batch) != Some(batches) {
        return Err(op.inconsistent(format!("its indices {shape:?} do not fit its input {:?}", x.shape)));
    }
    let indices = positions(op, &values, extent)?;
    let y = op.output_like(0, &[outer, list, inner].concat(), &x)?;
    op.same_quantization(&x, &y)?;
    let inner: usize = inner.iter().product();
    // The axis and, where indices differ between batches, everything before it, is one axis.
    let (view, indices) = if batch == 0 {
        ([outer.iter().product(), extent, inner], indices)
    } else {
        let between: usize = outer.iter().skip(batch).product();
        let length = list.iter().product::<usize>().max(1);
        op.charge(4 * between.saturating_mul(indices.len()))?;
        let mut linear = vec![];
        for (b, indices) in indices.chunks(length).enumerate() {
            for o in 0..between {
                linear.extend(indices.iter().map(|i| (b * between + o) * extent + i));
            }
        }
        ([1, outer.iter().product::<usize>() * extent, inner], linear)
    };
    through_view(op, &x, &view, 1, indices, &y);
    Ok(())
}

/// Adds the selection from `x` seen in another shape, with the result in `y`'s.
fn through_view(op: &mut Op, x: &Activation, view: &[usize], axis: usize, indices: Vec<usize>, y: &Activation) {
    let seen = op.temporary_like("view", view, x);
    op.push(NodeOp::Reshape, &[x], &seen);
    let picked = op.temporary_like("picked", &with_extent(view, axis, indices.len()), x);
    pick(op, &seen, axis, indices, &picked);
    op.push(NodeOp::Reshape, &[&picked], y);
}

/// GATHER_ND: input, positions along the first axes; constant ones only.
pub fn gather_nd(op: &mut Op) -> Result<(), CompileError> {
    op.arity(2, 2, 1)?;
    let x = op.wide_activation(0)?;
    let (shape, values) = op.index_list(1)?;
    let Some((&depth, list)) = shape.split_last().filter(|(depth, _)| **depth > 0 && **depth <= x.shape.len()) else {
        return Err(op.inconsistent(format!("its indices have shape {shape:?} for an input of {:?}", x.shape)));
    };
    let (outer, inner) = x.shape.split_at(depth);
    let mut linear = vec![];
    for place in values.chunks(depth) {
        let mut at = 0;
        for (value, &extent) in place.iter().zip(outer) {
            at = at * extent + positions(op, &[*value], extent)?.first().copied().unwrap_or_default();
        }
        linear.push(at);
    }
    let y = op.output_like(0, &[list, inner].concat(), &x)?;
    op.same_quantization(&x, &y)?;
    through_view(op, &x, &[outer.iter().product(), inner.iter().product()], 0, linear, &y);
    Ok(())
}

/// Batch, height, width and channels of the input, and the height and width of operand 1.
fn resized(op: &mut Op) -> Result<(Activation, [usize; 2], Activation), CompileError> {
    op.arity(2, 2, 1)?;
    let x = op.wide_activation(0)?;
    let size = extents(op, &op.integers(1, "size")?, "size")?;
    let (&[n, _, _, c], &[h, w]) = (x.shape.as_slice(), size.as_slice()) else {
        return Err(op.inconsistent(format!("it resizes {:?} to {size:?}", x.shape)));
    };
    let y = op.output_like(0, &[n, h, w, c], &x)?;
    op.same_quantization(&x, &y)?;
    Ok((x, [h, w], y))
}

/// RESIZE_NEAREST_NEIGHBOR: input, size.
pub fn resize_nearest_neighbor(op: &mut Op) -> Result<(), CompileError> {
    let options: ResizeNearestNeighbor = op.options()?;
    let placing =
        TflitePlacing { align_corners: options.align_corners()?, half_pixel_centers: options.half_pixel_centers()? };
    let (x, size, y) = resized(op)?;
    let mut picks = vec![];
    for (axis, outputs) in (1..).zip(size) {
        let inputs = x.shape.get(axis).copied().unwrap_or_default();
        op.charge(4 * outputs)?;
        let indices = placing.nearest(inputs, outputs);
        if !indices.iter().copied().eq(0..inputs) {
            picks.push((axis, indices));
        }
    }
    pick_each(op, x, picks, &y);
    Ok(())
}

/// RESIZE_BILINEAR: input, size.
pub fn resize_bilinear(op: &mut Op) -> Result<(), CompileError> {
    let options: ResizeBilinear = op.options()?;
    let placing =
        TflitePlacing { align_corners: options.align_corners()?, half_pixel_centers: options.half_pixel_centers()? };
    if placing.align_corners && placing.half_pixel_centers {
        return Err(op.inconsistent("it aligns corners and half pixel centres, which exclude one another"));
    }
    let (x, size, y) = resized(op)?;
    if x.ty != ElementType::I8 {
        return Err(op.unsupported("it interpolates int16 values", "keep this operator in int8"));
    }
    let mut axes = vec![];
    for (axis, outputs) in (1..).zip(size) {
        let inputs = x.shape.get(axis).copied().unwrap_or_default();
        op.charge(8 * outputs)?;
        let interpolation = placing.interpolation(inputs, outputs).ok_or_else(|| {
            op.unsupported(
                format!("the kernel's rounded scale from {inputs} to {outputs} leads it beyond its input"),
                "resize in two steps",
            )
        })?;
        axes.push(interpolation);
    }
    let Ok([rows, columns]) = <[_; 2]>::try_from(axes) else { return Err(op.inconsistent("it has not two axes")) };
    op.push(NodeOp::ResizeBilinear { rows, columns, clamp: Clamp::INT8 }, &[&x], &y);
    Ok(())
}

/// REVERSE_V2: input, axes.
pub fn reverse(op: &mut Op) -> Result<(), CompileError> {
    op.arity(2, 2, 1)?;
    let x = op.wide_activation(0)?;
    let axes = reduced_axes(op, &x)?;
    let y = op.output_like(0, &x.shape, &x)?;
    op.same_quantization(&x, &y)?;
    let backwards = |i: &usize| axes.contains(i);
    let begin = x.shape.iter().enumerate().map(|(i, &n)| if backwards(&i) { n - 1 } else { 0 }).collect();
    let stride = (0..x.shape.len()).map(|i| if backwards(&i) { -1 } else { 1 }).collect();
    op.push(NodeOp::Slice { begin, stride }, &[&x], &y);
    Ok(())
}

/// MIRROR_PAD: input, borders.
pub fn mirror_pad(op: &mut Op) -> Result<(), CompileError> {
    op.arity(2, 2, 1)?;
    let options: MirrorPad = op.options()?;
    // REFLECT leaves the edge out, SYMMETRIC repeats it.
    let skipped = match options.mode()? {
        0 => 1,
        1 => 0,
        other => return Err(op.inconsistent(format!("its mode is number {other}"))),
    };
    let x = op.wide_activation(0)?;
    let borders = extents(op, &op.integers(1, "list of borders")?, "list of borders")?;
    let (borders, []) = borders.as_chunks::<2>() else {
        return Err(op.inconsistent("its list of borders is not made of pairs"));
    };
    if borders.len() != x.shape.len() {
        return Err(op.inconsistent(format!("it has {} pairs of borders for {} axes", borders.len(), x.shape.len())));
    }
    let mut picks = vec![];
    for (axis, (&[before, after], &n)) in borders.iter().zip(&x.shape).enumerate() {
        if before.max(after) + skipped > n {
            return Err(op.inconsistent(format!("a border of {} of axis {axis} of {n}", before.max(after))));
        }
        if before + after == 0 {
            continue;
        }
        op.charge(4 * (before + n + after))?;
        let head = (0..before).map(|i| before - 1 - i + skipped);
        let tail = (0..after).map(|i| n - 1 - skipped - i);
        picks.push((axis, head.chain(0..n).chain(tail).collect()));
    }
    let shape: Vec<usize> = borders.iter().zip(&x.shape).map(|([before, after], n)| before + n + after).collect();
    let y = op.output_like(0, &shape, &x)?;
    op.same_quantization(&x, &y)?;
    pick_each(op, x, picks, &y);
    Ok(())
}

/// TILE: input, repeats.
pub fn tile(op: &mut Op) -> Result<(), CompileError> {
    op.arity(2, 2, 1)?;
    let x = op.wide_activation(0)?;
    let repeats = extents(op, &op.integers(1, "list of repeats")?, "list of repeats")?;
    if repeats.len() != x.shape.len() || repeats.contains(&0) {
        return Err(op.inconsistent(format!("it repeats {:?} {repeats:?} times", x.shape)));
    }
    let shape: Vec<usize> = x.shape.iter().zip(&repeats).map(|(n, times)| n.saturating_mul(*times)).collect();
    let y = op.output_like(0, &shape, &x)?;
    op.same_quantization(&x, &y)?;
    let mut picks = vec![];
    for (axis, (&n, &total)) in x.shape.iter().zip(&shape).enumerate() {
        if total != n {
            op.charge(4 * total)?;
            picks.push((axis, (0..total).map(|i| i % n).collect()));
        }
    }
    pick_each(op, x, picks, &y);
    Ok(())
}

/// Adds the permutation of `x`, seen in the shape `from`, by `perm`, seen in the shape of `y`.
fn rearrange(op: &mut Op, x: &Activation, from: &[usize], perm: Vec<usize>, y: &Activation) {
    let seen = op.temporary_like("view", from, x);
    op.push(NodeOp::Reshape, &[x], &seen);
    let shape: Vec<usize> = perm.iter().filter_map(|&axis| from.get(axis)).copied().collect();
    let moved = op.temporary_like("moved", &shape, x);
    op.push(NodeOp::Transpose { perm }, &[&seen], &moved);
    op.push(NodeOp::Reshape, &[&moved], y);
}

fn four_axes(op: &Op, x: &Activation) -> Result<[usize; 4], CompileError> {
    <[usize; 4]>::try_from(x.shape.as_slice())
        .map_err(|_| op.inconsistent(format!("its input has {} axes, not 4", x.shape.len())))
}

fn block(op: &Op, size: i32) -> Result<usize, CompileError> {
    let block = usize::try_from(size).ok().filter(|&b| b > 0 && b < 1 << 14);
    block.ok_or_else(|| op.inconsistent(format!("its block size is {size}")))
}

/// DEPTH_TO_SPACE: channels become blocks of pixels.
pub fn depth_to_space(op: &mut Op) -> Result<(), CompileError> {
    op.arity(1, 1, 1)?;
    let options: DepthToSpace = op.options()?;
    let b = block(op, options.block_size()?)?;
    let x = op.wide_activation(0)?;
    let [n, h, w, c] = four_axes(op, &x)?;
    if !c.is_multiple_of(b * b) {
        return Err(op.inconsistent(format!("{c} channels are not blocks of {b} times {b}")));
    }
    let channels = c / (b * b);
    let y = op.output_like(0, &[n, h * b, w * b, channels], &x)?;
    op.same_quantization(&x, &y)?;
    rearrange(op, &x, &[n * h, w, b, b * channels], vec![0, 2, 1, 3], &y);
    Ok(())
}

/// SPACE_TO_DEPTH: blocks of pixels become channels.
pub fn space_to_depth(op: &mut Op) -> Result<(), CompileError> {
    op.arity(1, 1, 1)?;
    let options: SpaceToDepth = op.options()?;
    let b = block(op, options.block_size()?)?;
    let x = op.wide_activation(0)?;
    let [n, h, w, c] = four_axes(op, &x)?;
    if !h.is_multiple_of(b) || !w.is_multiple_of(b) {
        return Err(op.inconsistent(format!("{h} rows of {w} are not blocks of {b} times {b}")));
    }
    let y = op.output_like(0, &[n, h / b, w / b, c * b * b], &x)?;
    op.same_quantization(&x, &y)?;
    rearrange(op, &x, &[n * h / b, b, w / b, b * c], vec![0, 2, 1, 3], &y);
    Ok(())
}

/// Extents of an image, sizes of the blocks, and borders.
type Blocks = ([usize; 4], [usize; 2], [[usize; 2]; 2]);

/// Two spatial blocks and two borders of SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND: images of two or of one spatial axis.
fn blocks(op: &Op, x: &Activation) -> Result<Blocks, CompileError> {
    let sizes = extents(op, &op.integers(1, "block shape")?, "block shape")?;
    let borders = extents(op, &op.integers(2, "list of borders")?, "list of borders")?;
    let (borders, rest) = borders.as_chunks::<2>();
    let parts = match (x.shape.as_slice(), sizes.as_slice(), borders, rest) {
        (&[n, h, w, c], &[bh, bw], &[rows, columns], []) => ([n, h, w, c], [bh, bw], [rows, columns]),
        (&[n, h, c], &[bh], &[rows], []) => ([n, h, 1, c], [bh, 1], [rows, [0, 0]]),
        _ => return Err(op.inconsistent(format!("blocks {sizes:?} and borders {borders:?} of {:?}", x.shape))),
    };
    if parts.1.iter().any(|&b| b == 0 || b >= 1 << 14) {
        return Err(op.inconsistent(format!("its block shape is {sizes:?}")));
    }
    Ok(parts)
}

/// Shape of the result, without the second spatial axis where the input has none.
fn like_input(x: &Activation, [n, h, w, c]: [usize; 4]) -> Vec<usize> {
    if x.shape.len() == 3 { vec![n, h, c] } else { vec![n, h, w, c] }
}

/// SPACE_TO_BATCH_ND: input, block shape, borders.
pub fn space_to_batch(op: &mut Op) -> Result<(), CompileError> {
    op.arity(3, 3, 1)?;
    let x = op.wide_activation(0)?;
    let ([n, h, w, c], [bh, bw], borders) = blocks(op, &x)?;
    let [ph, pw] = [(h, 0), (w, 1)].map(|(extent, i)| {
        let [before, after] = borders.get(i).copied().unwrap_or_default();
        before + extent + after
    });
    if !ph.is_multiple_of(bh) || !pw.is_multiple_of(bw) {
        return Err(op.inconsistent(format!("{ph} padded rows of {pw} are not blocks of {bh} times {bw}")));
    }
    let y = op.output_like(0, &like_input(&x, [n * bh * bw, ph / bh, pw / bw, c]), &x)?;
    op.same_quantization(&x, &y)?;
    let image = op.temporary_like("image", &[n, h, w, c], &x);
    op.push(NodeOp::Reshape, &[&x], &image);
    let mut padded = image;
    if borders != [[0, 0]; 2] {
        let [[top, _], [left, _]] = borders;
        let image = op.temporary_like("padded", &[n, ph, pw, c], &x);
        op.push(NodeOp::Pad { before: vec![0, top, left, 0], value: x.quantization.zero_point }, &[&padded], &image);
        padded = image;
    }
    rearrange(op, &padded, &[n, ph / bh, bh, pw / bw, bw, c], vec![2, 4, 0, 1, 3, 5], &y);
    Ok(())
}

/// BATCH_TO_SPACE_ND: input, block shape, crops.
pub fn batch_to_space(op: &mut Op) -> Result<(), CompileError> {
    op.arity(3, 3, 1)?;
    let x = op.wide_activation(0)?;
    let ([n, h, w, c], [bh, bw], crops) = blocks(op, &x)?;
    if !n.is_multiple_of(bh * bw) {
        return Err(op.inconsistent(format!("a batch of {n} is not blocks of {bh} times {bw}")));
    }
    let batch = n / (bh * bw);
    let cropped = |extent: usize, [before, after]: [usize; 2]| extent.checked_sub(before + after).filter(|&n| n > 0);
    let (Some(rows), Some(columns)) = (cropped(h * bh, crops[0]), cropped(w * bw, crops[1])) else {
        return Err(op.inconsistent(format!("crops {crops:?} leave nothing of {} rows of {}", h * bh, w * bw)));
    };
    let y = op.output_like(0, &like_input(&x, [batch, rows, columns, c]), &x)?;
    op.same_quantization(&x, &y)?;
    let whole = op.temporary_like("whole", &[batch, h * bh, w * bw, c], &x);
    rearrange(op, &x, &[bh, bw, batch, h, w, c], vec![2, 3, 0, 4, 1, 5], &whole);
    let part = op.temporary_like("part", &[batch, rows, columns, c], &x);
    cut(op, &whole, vec![0, crops[0][0], crops[1][0], 0], &part);
    op.push(NodeOp::Reshape, &[&part], &y);
    Ok(())
}

/// MINIMUM and MAXIMUM: the kernels compare the integers.
pub fn minimum_maximum(op: &mut Op) -> Result<(), CompileError> {
    op.arity(2, 2, 1)?;
    let (a, b) = (op.wide_activation(0)?, op.wide_activation(1)?);
    let shape = broadcast(op, &a.shape, &b.shape)?;
    let y = op.output_like(0, &shape, &a)?;
    op.same_quantization(&a, &y)?;
    op.same_quantization(&b, &y)?;
    let node = if op.source.name == "MINIMUM" { NodeOp::Minimum } else { NodeOp::Maximum };
    op.push(node, &[&a, &b], &y);
    Ok(())
}

/// REDUCE_MAX, REDUCE_MIN and SUM: input, axes.
pub fn reduce(op: &mut Op) -> Result<(), CompileError> {
    op.arity(2, 2, 1)?;
    let options: Reducer = op.options()?;
    let x = op.activation(0)?;
    let (axes, shape) = reduction(op, options, &x)?;
    let y = op.output(0, &shape)?;
    let node = match op.source.name {
        "SUM" => NodeOp::Sum { axes, clamp: Clamp::INT8 },
        name => {
            op.same_quantization(&x, &y)?;
            if name == "REDUCE_MAX" { NodeOp::ReduceMax { axes } } else { NodeOp::ReduceMin { axes } }
        }
    };
    op.push(node, &[&x], &y);
    Ok(())
}

/// SQUARED_DIFFERENCE.
pub fn squared_difference(op: &mut Op) -> Result<(), CompileError> {
    op.arity(2, 2, 1)?;
    let (a, b) = (op.activation(0)?, op.activation(1)?);
    let shape = broadcast(op, &a.shape, &b.shape)?;
    let y = op.output(0, &shape)?;
    op.push(NodeOp::SquaredDifference { clamp: Clamp::INT8 }, &[&a, &b], &y);
    Ok(())
}
