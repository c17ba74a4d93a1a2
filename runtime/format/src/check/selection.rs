//! Operators that pick values, along an axis or by their size, and the interpolation between them.

use super::*;

/// Product of the two units of an interpolation, at most: 255 times it fits an i32.
const MAX_UNITS: i64 = 1 << 23;

pub(super) fn gather(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    ensure(x.ty == y.ty, Kind::Type)?;
    let &[axis] = step.attrs else { return Err(Kind::Arity) };
    let axis = usize::try_from(axis).ok().filter(|&a| a < x.shape.len()).ok_or(Kind::Attribute)?;
    ensure(x.shape.len() == y.shape.len(), Kind::Shape)?;
    let others_equal = x.shape.iter().zip(y.shape).enumerate().all(|(i, (a, b))| i == axis || a == b);
    ensure(others_equal, Kind::Shape)?;
    let indices = word_constant(step, 0)?;
    ensure(y.shape.get(axis).map(|&d| d as usize) == Some(indices.len()), Kind::Shape)?;
    positions(indices, x.shape.get(axis))
}

/// Every position lies inside an axis of `length`.
fn positions(positions: &[i32], length: Option<&u32>) -> Checked {
    let inside = |&p: &i32| u32::try_from(p).ok().zip(length).is_some_and(|(p, &length)| p < length);
    ensure(positions.iter().all(inside), Kind::Constant)
}

pub(super) fn resize_bilinear(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    int8(x, y)?;
    let attributes = attrs::ResizeBilinear::from_words(step.attrs).ok_or(Kind::Arity)?;
    range(&attributes.requantize.range, x.ty, y.ty)?;
    multiplier(attributes.requantize.multiplier)?;
    let (&[xn, xh, xw, xc], &[yn, yh, yw, yc]) = (x.shape, y.shape) else { return Err(Kind::Shape) };
    ensure(xn == yn && xc == yc, Kind::Shape)?;
    let [row_unit, column_unit] = attributes.units;
    ensure(row_unit > 0 && column_unit > 0, Kind::Attribute)?;
    ensure(i64::from(row_unit) * i64::from(column_unit) <= MAX_UNITS, Kind::Attribute)?;
    for (first, unit, inputs, outputs) in [(0, row_unit, xh, yh), (2, column_unit, xw, yw)] {
        let (places, weights) = (word_constant(step, first)?, word_constant(step, first + 1)?);
        ensure(places.len() == outputs as usize && weights.len() == outputs as usize, Kind::Constant)?;
        positions(places, Some(&inputs))?;
        ensure(weights.iter().all(|weight| (0..=unit).contains(weight)), Kind::Constant)?;
    }
    Ok(())
}

/// int8 or int16, one type for all tensors.
fn ordered(x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    ensure(x.ty == y.ty && matches!(x.ty, ElementType::I8 | ElementType::I16), Kind::Type)
}

/// `minimum` and `maximum`.
pub(super) fn pairwise(model: &Model<'_>, step: &Step<'_>, x1: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    let x2 = input(model, step, 1)?;
    ordered(x1, y)?;
    ordered(&x2, y)?;
    elementwise::broadcast(x1, y)?;
    elementwise::broadcast(&x2, y)
}

/// `reduce_max` and `reduce_min`.
pub(super) fn reduction(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    ordered(x, y)?;
    let &[axes] = step.attrs else { return Err(Kind::Arity) };
    ensure(y.elements() == pool::kept(axes, x)?, Kind::Shape)
}
