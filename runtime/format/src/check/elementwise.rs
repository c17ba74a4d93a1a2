//! Operators that take their inputs element by element.

use super::*;

/// Each axis of an operand, aligned at the last axis, equals the output's or is 1.
pub(super) fn broadcast(x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    ensure(x.shape.len() <= y.shape.len(), Kind::Shape)?;
    let fits = x.shape.iter().rev().zip(y.shape.iter().rev()).all(|(&a, &b)| a == b || a == 1);
    ensure(fits, Kind::Shape)
}

/// `add` and `sub`.
pub(super) fn sum(model: &Model<'_>, step: &Step<'_>, x1: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    // 9 bits of difference and 20 of headroom, not enlarged by its multiplier: the sum stays below 2^30.
    scaled_pair(model, step, x1, y, 20).map(|_| ())
}

pub(super) fn squared_difference(model: &Model<'_>, step: &Step<'_>, x1: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    let attributes = scaled_pair(model, step, x1, y, 7)?;
    // Halved at least, 255 · 2^7 gives at most 16,320 on each side: the square stays below 2^31.
    let halved = |words: &MultiplierWords| words.shift < 0 || words.mantissa <= 1 << 30;
    ensure(attributes.input_multipliers.iter().all(halved), Kind::Attribute)
}

/// Two int8 inputs that are each scaled with headroom of at most `most` bits, and then together.
fn scaled_pair(
    model: &Model<'_>,
    step: &Step<'_>,
    x1: &Tensor<'_>,
    y: &Tensor<'_>,
    most: i32,
) -> Result<attrs::Sum, Kind> {
    let x2 = input(model, step, 1)?;
    int8(x1, y)?;
    let attributes = attrs::Sum::from_words(step.attrs).ok_or(Kind::Arity)?;
    scaled_sum(&attributes, most, [x1, &x2], y)?;
    Ok(attributes)
}

/// Operands of one type, each with up to `headroom` bits and not enlarged by its multiplier.
pub(super) fn scaled_sum(attributes: &attrs::Sum, headroom: i32, x: [&Tensor<'_>; 2], y: &Tensor<'_>) -> Checked {
    ensure((0..=headroom).contains(&attributes.left_shift), Kind::Attribute)?;
    for ((words, zero), x) in attributes.input_multipliers.into_iter().zip(attributes.input_zero_points).zip(x) {
        ensure(x.ty == y.ty, Kind::Type)?;
        broadcast(x, y)?;
        multiplier(words)?;
        ensure(words.shift <= 0, Kind::Attribute)?;
        zero_point(zero, x.ty)?;
    }
    multiplier(attributes.multiplier)?;
    zero_point(attributes.output_zero_point, y.ty)?;
    bounds(attributes.low, attributes.high, y.ty)
}

pub(super) fn product(model: &Model<'_>, step: &Step<'_>, x1: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    let x2 = input(model, step, 1)?;
    int8(x1, y)?;
    scaled_product(&attrs::Product::from_words(step.attrs).ok_or(Kind::Arity)?, [x1, &x2], y)
}

/// Operands of one type.
pub(super) fn scaled_product(attributes: &attrs::Product, x: [&Tensor<'_>; 2], y: &Tensor<'_>) -> Checked {
    for (zero, x) in attributes.input_zero_points.into_iter().zip(x) {
        ensure(x.ty == y.ty, Kind::Type)?;
        broadcast(x, y)?;
        zero_point(zero, x.ty)?;
    }
    multiplier(attributes.multiplier)?;
    zero_point(attributes.output_zero_point, y.ty)?;
    bounds(attributes.low, attributes.high, y.ty)
}

pub(super) fn lut(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    int8(x, y)?;
    ensure(byte_constant(step, 0)?.len() == 256, Kind::Constant)?;
    ensure(x.shape == y.shape, Kind::Shape)
}

pub(super) fn requantize(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    let attributes = attrs::Requantize::from_words(step.attrs).ok_or(Kind::Arity)?;
    ensure(x.ty != ElementType::I32 && y.ty != ElementType::I32, Kind::Type)?;
    ensure(x.shape == y.shape, Kind::Shape)?;
    multiplier(attributes.multiplier)?;
    range(&attributes.range, x.ty, y.ty)
}
