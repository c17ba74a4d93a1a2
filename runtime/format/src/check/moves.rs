//! Operators that move elements of any type.

use super::*;

/// Attribute words per axis are zero for the axes that the tensor does not have.
fn zero_beyond_rank(words: &[i32; MAX_RANK], x: &Tensor<'_>) -> Checked {
    ensure(words.iter().skip(x.shape.len()).all(|&word| word == 0), Kind::Reserved)
}

pub(super) fn pad(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    ensure(x.ty == y.ty, Kind::Type)?;
    let attributes = attrs::Pad::from_words(step.attrs).ok_or(Kind::Arity)?;
    zero_point(attributes.value, y.ty)?;
    ensure(x.shape.len() == y.shape.len(), Kind::Shape)?;
    zero_beyond_rank(&attributes.before, x)?;
    for ((&before, &inputs), &outputs) in attributes.before.iter().zip(x.shape).zip(y.shape) {
        let fits = before >= 0 && i64::from(before) + i64::from(inputs) <= i64::from(outputs);
        ensure(fits, Kind::Attribute)?;
    }
    Ok(())
}

pub(super) fn concat(model: &Model<'_>, step: &Step<'_>, _: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    let &[axis] = step.attrs else { return Err(Kind::Arity) };
    let axis = usize::try_from(axis).ok().filter(|&a| a < y.shape.len()).ok_or(Kind::Attribute)?;
    let mut total = 0u64;
    for &input in step.inputs {
        let x = model.tensor(input).ok_or(Kind::Index)?;
        ensure(x.ty == y.ty, Kind::Type)?;
        ensure(x.shape.len() == y.shape.len(), Kind::Shape)?;
        let others_equal = x.shape.iter().zip(y.shape).enumerate().all(|(i, (a, b))| i == axis || a == b);
        ensure(others_equal, Kind::Shape)?;
        total += u64::from(*x.shape.get(axis).ok_or(Kind::Shape)?);
    }
    ensure(y.shape.get(axis).map(|&d| u64::from(d)) == Some(total), Kind::Shape)
}

pub(super) fn slice(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    ensure(x.ty == y.ty, Kind::Type)?;
    let attributes = attrs::Slice::from_words(step.attrs).ok_or(Kind::Arity)?;
    ensure(x.shape.len() == y.shape.len(), Kind::Shape)?;
    zero_beyond_rank(&attributes.begin, x)?;
    zero_beyond_rank(&attributes.stride, x)?;
    let axes = attributes.begin.iter().zip(&attributes.stride).zip(x.shape.iter().zip(y.shape));
    for ((&begin, &stride), (&inputs, &outputs)) in axes {
        let inside = 0..i64::from(inputs);
        let last = i64::from(begin) + i64::from(stride) * i64::from(outputs - 1);
        ensure(inside.contains(&i64::from(begin)) && inside.contains(&last), Kind::Attribute)?;
        // Also where one element is taken and the stride means nothing: distances stay within the tensor.
        ensure(stride.unsigned_abs() <= inputs, Kind::Attribute)?;
    }
    Ok(())
}

pub(super) fn transpose(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    ensure(x.ty == y.ty, Kind::Type)?;
    let perm = attrs::transpose(step.attrs).ok_or(Kind::Arity)?;
    ensure(x.shape.len() == y.shape.len() && x.shape.len() <= MAX_RANK, Kind::Shape)?;
    zero_beyond_rank(&perm, x)?;
    let mut seen = 0u32;
    for (&axis, &outputs) in perm.iter().zip(y.shape) {
        let inputs = usize::try_from(axis).ok().and_then(|a| x.shape.get(a)).ok_or(Kind::Attribute)?;
        ensure(*inputs == outputs, Kind::Shape)?;
        seen |= 1 << axis;
    }
    ensure(seen.count_ones() as usize == x.shape.len(), Kind::Attribute)
}
