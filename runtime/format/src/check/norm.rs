//! Operators that normalize.

use super::*;

/// Values normalized together, at most: their sum of squares fits 32 bits.
const MAX_LENGTH: usize = 1 << 16;

pub(super) fn layer_norm(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    int8(x, y)?;
    ensure(x.shape == y.shape, Kind::Shape)?;
    let attributes = attrs::LayerNorm::from_words(step.attrs).ok_or(Kind::Arity)?;
    range(&attributes.range, x.ty, y.ty)?;
    ensure((0..=1).contains(&attributes.center), Kind::Attribute)?;
    let shift = attributes.variance_shift;
    ensure((0..=16).contains(&shift) && shift % 2 == 0, Kind::Attribute)?;
    // A product of 2^30 and 31 bits, and a term of at most as much: the sum stays below 2^63.
    ensure((0..=30).contains(&attributes.beta_shift) && (22..=52).contains(&attributes.shift), Kind::Attribute)?;
    let epsilon = attributes.epsilon().ok_or(Kind::Attribute)?;
    let (gamma, beta) = (word_constant(step, 0)?, word_constant(step, 1)?);
    ensure((1..=MAX_LENGTH).contains(&gamma.len()) && beta.len() == gamma.len(), Kind::Constant)?;
    ensure(x.elements().is_multiple_of(gamma.len()), Kind::Shape)?;
    // The square of the length times the largest variance, or mean square, around a zero point.
    let longest = gamma.len() as u64 * gamma.len() as u64 * 255 * 255;
    let largest = (longest << shift).checked_add(epsilon);
    ensure(longest.leading_zeros() as i32 > shift && largest.is_some(), Kind::Accumulator)
}

pub(super) fn l2_norm(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    int8(x, y)?;
    ensure(x.shape == y.shape, Kind::Shape)?;
    range(&attrs::fully_connected(step.attrs).ok_or(Kind::Arity)?, x.ty, y.ty)?;
    let &[.., length] = x.shape else { return Err(Kind::Shape) };
    // The sum of squares fits an i32.
    ensure(u64::from(length) * 255 * 255 <= i32::MAX as u64, Kind::Accumulator)
}
