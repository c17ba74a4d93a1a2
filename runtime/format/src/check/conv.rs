//! Convolutions and matrix products with constant weights.

use super::*;
use crate::attrs::Conv;

/// Weights of eight bits, `terms` for each of `outputs`, with their bias and multipliers.
pub(super) fn weights(step: &Step<'_>, outputs: usize, terms: u64) -> Checked {
    let weights = byte_constant(step, 0)?;
    let bias = word_constant(step, 1)?;
    accumulator(terms, bias)?;
    // At most 2^28 outputs of at most MAX_TERMS terms: the product fits.
    ensure(weights.len() as u64 == outputs as u64 * terms && bias.len() == outputs, Kind::Constant)?;
    multipliers(step, 2, [1, outputs])
}

/// Checks a convolution but for its constants; returns its outputs and the products of each.
pub(super) fn conv2d_terms(step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Result<(usize, u64), Kind> {
    int8(x, y)?;
    let attributes = Conv::from_conv2d(step.attrs).ok_or(Kind::Arity)?;
    grouped(&attributes, x, y)
}

/// As [`conv2d_terms`], for a depthwise convolution.
pub(super) fn depthwise_terms(step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Result<(usize, u64), Kind> {
    int8(x, y)?;
    let attributes = Conv::from_depthwise_conv2d(step.attrs).ok_or(Kind::Arity)?;
    depthwise(&attributes, x, y)
}

/// Returns the output channels of a convolution with groups, and the products in each output.
pub(super) fn grouped(attributes: &Conv, x: &Tensor<'_>, y: &Tensor<'_>) -> Result<(usize, u64), Kind> {
    window_geometry(&attributes.window, x, y)?;
    range(&attributes.range, x.ty, y.ty)?;
    let (&[.., inputs], &[.., outputs]) = (x.shape, y.shape) else { return Err(Kind::Shape) };
    let groups = u32::try_from(attributes.groups).ok().filter(|&g| g > 0).ok_or(Kind::Attribute)?;
    ensure(inputs.is_multiple_of(groups) && outputs.is_multiple_of(groups), Kind::Shape)?;
    Ok((outputs as usize, taps(&attributes.window).saturating_mul(u64::from(inputs / groups))))
}

/// As [`grouped`], of a depthwise convolution.
pub(super) fn depthwise(attributes: &Conv, x: &Tensor<'_>, y: &Tensor<'_>) -> Result<(usize, u64), Kind> {
    window_geometry(&attributes.window, x, y)?;
    range(&attributes.range, x.ty, y.ty)?;
    let (&[.., inputs], &[.., outputs]) = (x.shape, y.shape) else { return Err(Kind::Shape) };
    ensure(outputs.is_multiple_of(inputs), Kind::Shape)?;
    Ok((outputs as usize, taps(&attributes.window)))
}

pub(super) fn conv2d(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    let (outputs, terms) = conv2d_terms(step, x, y)?;
    weights(step, outputs, terms)
}

pub(super) fn depthwise_conv2d(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    let (outputs, terms) = depthwise_terms(step, x, y)?;
    weights(step, outputs, terms)
}

pub(super) fn fully_connected(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    int8(x, y)?;
    range(&attrs::fully_connected(step.attrs).ok_or(Kind::Arity)?, x.ty, y.ty)?;
    let outputs = word_constant(step, 1)?.len();
    let inputs = byte_constant(step, 0)?.len().checked_div(outputs).unwrap_or(0);
    weights(step, outputs, inputs as u64)?;
    rows(x, inputs, y, outputs)
}

/// `x` is made of rows of `inputs`, `y` of as many rows of `outputs`.
pub(super) fn rows(x: &Tensor<'_>, inputs: usize, y: &Tensor<'_>, outputs: usize) -> Checked {
    let rows = x.elements().checked_div(inputs).ok_or(Kind::Shape)?;
    ensure(rows * inputs == x.elements() && rows.checked_mul(outputs) == Some(y.elements()), Kind::Shape)
}
