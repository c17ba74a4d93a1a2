//! Operators that move elements and compute nothing.

use super::context::Activation;
use super::op::Op;
use super::schema::{Concatenation, Pack, Squeeze, StridedSlice, Unpack};
use super::source::Type;
use crate::error::CompileError;
use crate::graph::NodeOp;
use tanbo_format::ElementType;

/// Non-negative extents or positions from a list of the file.
pub fn extents(op: &Op, values: &[i64], what: &str) -> Result<Vec<usize>, CompileError> {
    let convert = |&v: &i64| usize::try_from(v).ok().filter(|&v| v < 1 << 28);
    let converted: Option<Vec<usize>> = values.iter().map(convert).collect();
    converted.ok_or_else(|| op.inconsistent(format!("its {what} is {values:?}")))
}

/// One entry per axis of `x`.
fn per_axis(op: &Op, values: &[i64], x: &Activation, what: &str) -> Result<(), CompileError> {
    if values.len() != x.shape.len() {
        return Err(op.inconsistent(format!("its {what} has {} entries for {} axes", values.len(), x.shape.len())));
    }
    Ok(())
}

/// Adds a slice of `x` in steps of one, of `counts` elements from `begin` on.
pub fn cut(op: &mut Op, x: &Activation, begin: Vec<usize>, y: &Activation) {
    let stride = vec![1; begin.len()];
    op.push(NodeOp::Slice { begin, stride }, &[x], y);
}

/// The shape with the extent of `axis` replaced.
pub fn with_extent(shape: &[usize], axis: usize, extent: usize) -> Vec<usize> {
    shape.iter().enumerate().map(|(i, &n)| if i == axis { extent } else { n }).collect()
}

/// The start on `axis`, zero on the others.
fn start_on(rank: usize, axis: usize, start: usize) -> Vec<usize> {
    (0..rank).map(|i| if i == axis { start } else { 0 }).collect()
}

/// PAD: input, borders; filled with the zero point. PADV2: also the fill, an element in the tensor's own terms.
pub fn pad(op: &mut Op) -> Result<(), CompileError> {
    let with_fill = op.source.name == "PADV2";
    let operands = if with_fill { 3 } else { 2 };
    op.arity(operands, operands, 1)?;
    let x = op.wide_activation(0)?;
    let borders = extents(op, &op.integers(1, "list of borders")?, "list of borders")?;
    let (borders, []) = borders.as_chunks::<2>() else {
        return Err(op.inconsistent("its list of borders is not made of pairs"));
    };
    if borders.len() != x.shape.len() {
        return Err(op.inconsistent(format!("it has {} pairs of borders for {} axes", borders.len(), x.shape.len())));
    }
    let shape: Vec<usize> = borders.iter().zip(&x.shape).map(|([before, after], n)| before + n + after).collect();
    let y = op.output_like(0, &shape, &x)?;
    op.same_quantization(&x, &y)?;
    let mut value = y.quantization.zero_point;
    if with_fill {
        let wide = x.ty == ElementType::I16;
        let fill = op.constant(2, if wide { Type::I16 } else { Type::I8 }, "fill")?;
        let one = match *fill.bytes {
            [byte] => i32::from(byte as i8),
            [low, high] if wide => i32::from(i16::from_le_bytes([low, high])),
            _ => return Err(op.inconsistent("its fill is not one element")),
        };
        let same = fill.scales == [y.quantization.scale] && fill.zero_points == [i64::from(y.quantization.zero_point)];
        if !same {
            return Err(op.inconsistent("its fill has another scale or zero point than its result"));
        }
        value = one;
    }
    let before = borders.iter().map(|[before, _]| *before).collect();
    op.push(NodeOp::Pad { before, value }, &[&x], &y);
    Ok(())
}

/// CONCATENATION of any number of operands.
pub fn concatenation(op: &mut Op) -> Result<(), CompileError> {
    op.arity(1, usize::MAX, 1)?;
    let options: Concatenation = op.options()?;
    if options.activation()? != 0 {
        return Err(
            op.unsupported("the kernel refuses a fused activation here", "make the activation an operator of its own")
        );
    }
    let parts = (0..op.source.inputs.len()).map(|i| op.wide_activation(i)).collect::<Result<Vec<_>, _>>()?;
    let Some(first) = parts.first() else { return Err(op.inconsistent("it has no operands")) };
    let axis = op.axis(options.axis()?.into(), first.shape.len())?;
    let mut total = 0;
    for part in &parts {
        let extent = part.shape.get(axis).copied().unwrap_or_default();
        if part.shape != with_extent(&first.shape, axis, extent) {
            return Err(op.inconsistent(format!("shapes {:?} and {:?} do not join", first.shape, part.shape)));
        }
        total += extent;
    }
    let y = op.output_like(0, &with_extent(&first.shape, axis, total), first)?;
    for part in &parts {
        op.same_quantization(part, &y)?;
    }
    op.push(NodeOp::Concat { axis }, &parts.iter().collect::<Vec<_>>(), &y);
    Ok(())
}

/// PACK: joins the operands along a new axis.
pub fn pack(op: &mut Op) -> Result<(), CompileError> {
    op.arity(1, usize::MAX, 1)?;
    let options: Pack = op.options()?;
    let parts = (0..op.source.inputs.len()).map(|i| op.wide_activation(i)).collect::<Result<Vec<_>, _>>()?;
    let Some(first) = parts.first() else { return Err(op.inconsistent("it has no operands")) };
    let axis = op.axis(options.axis()?.into(), first.shape.len() + 1)?;
    let mut joined = first.shape.clone();
    joined.insert(axis, parts.len());
    let y = op.output_like(0, &joined, first)?;
    let mut views = vec![];
    for part in &parts {
        if part.shape != first.shape {
            return Err(op.inconsistent(format!("shapes {:?} and {:?} do not join", first.shape, part.shape)));
        }
        op.same_quantization(part, &y)?;
        let view = op.temporary_like("part", &with_extent(&joined, axis, 1), &y);
        op.push(NodeOp::Reshape, &[part], &view);
        views.push(view);
    }
    op.push(NodeOp::Concat { axis }, &views.iter().collect::<Vec<_>>(), &y);
    Ok(())
}

/// UNPACK: one result per index of an axis, which it drops.
pub fn unpack(op: &mut Op) -> Result<(), CompileError> {
    let results = op.source.outputs.len();
    op.arity(1, 1, results)?;
    let options: Unpack = op.options()?;
    let x = op.wide_activation(0)?;
    let rank = x.shape.len();
    let axis = op.axis(options.axis()?.into(), rank)?;
    if x.shape.get(axis) != Some(&results) {
        return Err(op.inconsistent(format!("it has {results} results for axis {axis} of {:?}", x.shape)));
    }
    let mut shape = x.shape.clone();
    shape.remove(axis);
    for i in 0..results {
        let y = op.output_like(i, &shape, &x)?;
        op.same_quantization(&x, &y)?;
        let part = op.temporary_like("part", &with_extent(&x.shape, axis, 1), &x);
        cut(op, &x, start_on(rank, axis, i), &part);
        op.push(NodeOp::Reshape, &[&part], &y);
    }
    Ok(())
}

/// SPLIT: axis, input; equal parts. SPLIT_V: input, sizes, axis.
pub fn split(op: &mut Op) -> Result<(), CompileError> {
    let results = op.source.outputs.len();
    let equal = op.source.name == "SPLIT";
    let operands = if equal { 2 } else { 3 };
    op.arity(operands, operands, results.max(1))?;
    let x = op.wide_activation(if equal { 1 } else { 0 })?;
    let rank = x.shape.len();
    let axis = op.axis_operand(if equal { 0 } else { 2 }, rank)?;
    let extent = x.shape.get(axis).copied().unwrap_or_default();
    let sizes = if equal {
        vec![extent / results; results]
    } else {
        let mut sizes = op.integers(1, "list of sizes")?;
        // One size may be left open.
        let known: i64 = sizes.iter().filter(|&&s| s > 0).fold(0, |sum, &s| sum.saturating_add(s));
        if let Some(open) = sizes.iter_mut().find(|s| **s == -1) {
            *open = (extent as i64).saturating_sub(known);
        }
        extents(op, &sizes, "list of sizes")?
    };
    if sizes.len() != results || sizes.iter().sum::<usize>() != extent || sizes.contains(&0) {
        return Err(op.inconsistent(format!("sizes {sizes:?} of {results} results do not divide {extent}")));
    }
    let mut start = 0;
    for (i, size) in sizes.into_iter().enumerate() {
        let y = op.output_like(i, &with_extent(&x.shape, axis, size), &x)?;
        op.same_quantization(&x, &y)?;
        cut(op, &x, start_on(rank, axis, start), &y);
        start += size;
    }
    Ok(())
}

/// SLICE: input, begin, size; a size of -1 is the rest.
pub fn slice(op: &mut Op) -> Result<(), CompileError> {
    op.arity(3, 3, 1)?;
    let x = op.wide_activation(0)?;
    let (begin, size) = (op.integers(1, "list of starts")?, op.integers(2, "list of sizes")?);
    per_axis(op, &begin, &x, "list of starts")?;
    per_axis(op, &size, &x, "list of sizes")?;
    let begin = extents(op, &begin, "list of starts")?;
    let mut shape = vec![];
    for ((&n, &begin), &size) in x.shape.iter().zip(&begin).zip(&size) {
        let room = n.checked_sub(begin).filter(|&room| room > 0);
        let count = if size == -1 { room } else { usize::try_from(size).ok().filter(|&s| s > 0 && Some(s) <= room) };
        shape.push(count.ok_or_else(|| op.inconsistent(format!("{size} elements from {begin} on leave its {n}")))?);
    }
    let y = op.output_like(0, &shape, &x)?;
    op.same_quantization(&x, &y)?;
    cut(op, &x, begin, &y);
    Ok(())
}

/// STRIDED_SLICE: input, begin, end, strides; masks in the options.
pub fn strided_slice(op: &mut Op) -> Result<(), CompileError> {
    op.arity(4, 4, 1)?;
    let options: StridedSlice = op.options()?;
    if options.ellipsis_mask()? != 0 || options.new_axis_mask()? != 0 || options.end_is_length()? {
        return Err(op.unsupported(
            "the kernel ignores its ellipsis, its new axes or its relative ends",
            "write the slice with one begin and end per axis",
        ));
    }
    let x = op.wide_activation(0)?;
    let lists =
        [op.integers(1, "list of starts")?, op.integers(2, "list of ends")?, op.integers(3, "list of strides")?];
    for list in &lists {
        per_axis(op, list, &x, "list of starts, ends or strides")?;
    }
    let [begins, ends, strides] = lists;
    let (mut begin, mut stride, mut counts, mut kept) = (vec![], vec![], vec![], vec![]);
    for (i, (((&n, from), to), step)) in x.shape.iter().zip(begins).zip(ends).zip(strides).enumerate() {
        let n = n as i64;
        let masked = |mask: i32| mask >> i & 1 == 1;
        let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
        let position = |p: i64| if p < 0 { p.saturating_add(n) } else { p }.clamp(low, high);
        let first = match masked(options.begin_mask()?) {
            false => position(from),
            true if step > 0 => 0,
            true => n - 1,
        };
        let end = match masked(options.end_mask()?) {
            false => position(to),
            true if step > 0 => n,
            true => -1,
        };
        let shrink = masked(options.shrink_axis_mask()?);
        let distance = if step > 0 { end - first } else { first - end };
        let count = match step {
            _ if shrink => 1,
            0 => 0,
            step => (distance.max(0) as u64).div_ceil(step.unsigned_abs()),
        };
        if count < 1 || !(0..n).contains(&first) || (shrink && step < 1) {
            return Err(
                op.inconsistent(format!("axis {i} of {n} elements, from {from} to {to} in steps of {step}, is empty"))
            );
        }
        begin.push(first as usize);
        // One element needs no step, however long the file's is.
        stride.push(if count == 1 { 1 } else { step as isize });
        counts.push(count as usize);
        if !shrink {
            kept.push(count as usize);
        }
    }
    let y = op.output_like(0, &kept, &x)?;
    op.same_quantization(&x, &y)?;
    if kept.len() == counts.len() {
        op.push(NodeOp::Slice { begin, stride }, &[&x], &y);
    } else {
        let part = op.temporary_like("part", &counts, &x);
        op.push(NodeOp::Slice { begin, stride }, &[&x], &part);
        op.push(NodeOp::Reshape, &[&part], &y);
    }
    Ok(())
}

/// BROADCAST_TO: input, shape.
pub fn broadcast_to(op: &mut Op) -> Result<(), CompileError> {
    op.arity(2, 2, 1)?;
    let x = op.wide_activation(0)?;
    let shape = extents(op, &op.integers(1, "shape")?, "shape")?;
    let y = op.output_like(0, &shape, &x)?;
    op.same_quantization(&x, &y)?;
    let missing = shape.len().checked_sub(x.shape.len());
    let Some(missing) = missing else {
        return Err(op.inconsistent(format!("{:?} does not broadcast to {shape:?}", x.shape)));
    };
    let from: Vec<usize> = std::iter::repeat_n(1, missing).chain(x.shape.iter().copied()).collect();
    if from.iter().zip(&shape).any(|(&m, &n)| m != n && m != 1) {
        return Err(op.inconsistent(format!("{:?} does not broadcast to {shape:?}", x.shape)));
    }
    let view = op.temporary_like("view", &from, &x);
    op.push(NodeOp::Reshape, &[&x], &view);
    let stride = from.iter().map(|&m| isize::from(m != 1)).collect();
    op.push(NodeOp::Slice { begin: vec![0; from.len()], stride }, &[&view], &y);
    Ok(())
}

/// TRANSPOSE: input, permutation.
pub fn transpose(op: &mut Op) -> Result<(), CompileError> {
    op.arity(2, 2, 1)?;
    let x = op.wide_activation(0)?;
    let list = op.integers(1, "permutation")?;
    per_axis(op, &list, &x, "permutation")?;
    let mut perm = vec![];
    for &axis in &list {
        let axis = op.axis(axis, x.shape.len())?;
        if perm.contains(&axis) {
            return Err(op.inconsistent(format!("{list:?} is no permutation")));
        }
        perm.push(axis);
    }
    let shape: Vec<usize> = perm.iter().filter_map(|&axis| x.shape.get(axis)).copied().collect();
    let y = op.output_like(0, &shape, &x)?;
    op.same_quantization(&x, &y)?;
    op.push(NodeOp::Transpose { perm }, &[&x], &y);
    Ok(())
}

/// RESHAPE, SQUEEZE, EXPAND_DIMS: the same elements in another shape.
pub fn reshape(op: &mut Op) -> Result<(), CompileError> {
    let name = op.source.name;
    op.arity(1, if name == "SQUEEZE" { 1 } else { 2 }, 1)?;
    let x = op.wide_activation(0)?;
    let shape = match name {
        "SQUEEZE" => squeezed(op, &x)?,
        "EXPAND_DIMS" => {
            let axis = op.axis_operand(1, x.shape.len() + 1)?;
            let mut shape = x.shape.clone();
            shape.insert(axis, 1);
            shape
        }
        // The kernel goes by the shape of the result, whatever operand or options say.
        _ => op.result_shape(0)?,
    };
    if shape.iter().product::<usize>() != x.elements() {
        return Err(op.inconsistent(format!("{:?} cannot become {shape:?}", x.shape)));
    }
    let y = op.output_like(0, &shape, &x)?;
    op.same_quantization(&x, &y)?;
    op.push(NodeOp::Reshape, &[&x], &y);
    Ok(())
}

/// The shape without the axes of extent 1 that SQUEEZE names, or without all of them.
fn squeezed(op: &Op, x: &Activation) -> Result<Vec<usize>, CompileError> {
    let named = op.source.table.options::<Squeeze>()?.map(|o| o.axes()).transpose()?.flatten();
    let mut axes = vec![];
    for axis in named.into_iter().flat_map(|v| v.iter()) {
        axes.push(op.axis(axis.into(), x.shape.len())?);
    }
    let all = axes.is_empty();
    let dropped = |i: usize, n: usize| if all { n == 1 } else { axes.contains(&i) };
    Ok(x.shape.iter().enumerate().filter(|&(i, &n)| !dropped(i, n)).map(|(_, &n)| n).collect())
}
