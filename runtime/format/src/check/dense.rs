//! Weights of four bits, transposed convolutions, and matrix products of two tensors.

use super::*;
use crate::attrs::BatchMatmul;

/// A sum of `terms` products of at most `largest` each, and of a bias, stays within an i32.
fn sum_fits(terms: u64, largest: u64, bias: &[i32]) -> Checked {
    let bias = bias.iter().map(|b| b.unsigned_abs()).max().unwrap_or(0);
    let sum = terms.checked_mul(largest).and_then(|sum| sum.checked_add(bias.into())).ok_or(Kind::Accumulator)?;
    ensure(sum <= i32::MAX as u64, Kind::Accumulator)
}

/// Weights of four bits, two to a byte, `terms` for each of `outputs`, with their bias and multipliers.
fn weights_i4(step: &Step<'_>, outputs: usize, terms: u64) -> Checked {
    let (weights, bias) = (byte_constant(step, 0)?, word_constant(step, 1)?);
    sum_fits(terms, 255 * 8, bias)?;
    // At most 2^28 outputs of less than 2^21 terms: the product fits.
    let count = outputs as u64 * terms;
    ensure(weights.len() as u64 == count.div_ceil(2) && bias.len() == outputs, Kind::Constant)?;
    let rest = weights.last().filter(|_| !count.is_multiple_of(2));
    ensure(rest.is_none_or(|&last| last as u8 >> 4 == 0), Kind::Reserved)?;
    multipliers(step, 2, [1, outputs])
}

pub(super) fn conv2d_i4(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    let (outputs, terms) = conv::conv2d_terms(step, x, y)?;
    weights_i4(step, outputs, terms)
}

pub(super) fn depthwise_conv2d_i4(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    let (outputs, terms) = conv::depthwise_terms(step, x, y)?;
    weights_i4(step, outputs, terms)
}

pub(super) fn fully_connected_i4(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    int8(x, y)?;
    let (bounds, depth) = attrs::fully_connected_i4(step.attrs).ok_or(Kind::Arity)?;
    range(&bounds, x.ty, y.ty)?;
    let depth = u32::try_from(depth).map_err(|_| Kind::Attribute)?;
    let outputs = word_constant(step, 1)?.len();
    weights_i4(step, outputs, depth.into())?;
    conv::rows(x, depth as usize, y, outputs)
}

/// Every tap of the kernel counts, though few of them meet an input pixel at once.
pub(super) fn transpose_conv2d(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    let (outputs, terms) = conv::conv2d_terms(step, x, y)?;
    conv::weights(step, outputs, terms)
}

/// Types, shapes, flags, multiplier and bounds; returns the depth, the number of products in a sum.
pub(super) fn depth(attributes: &BatchMatmul, [x1, x2]: [&Tensor<'_>; 2], y: &Tensor<'_>) -> Result<u32, Kind> {
    ensure(x1.ty == y.ty && x2.ty == y.ty, Kind::Type)?;
    let [t1, t2] = attributes.transposed;
    ensure([t1, t2].iter().all(|t| (0..=1).contains(t)), Kind::Attribute)?;
    let (Some((stack1, matrix1)), Some((stack2, matrix2)), Some((stack, &[rows, columns]))) =
        (x1.shape.split_last_chunk::<2>(), x2.shape.split_last_chunk::<2>(), y.shape.split_last_chunk::<2>())
    else {
        return Err(Kind::Shape);
    };
    let turned = |&[a, b]: &[u32; 2], transposed: i32| if transposed == 1 { [b, a] } else { [a, b] };
    let ([rows1, depth1], [depth2, columns2]) = (turned(matrix1, t1), turned(matrix2, t2));
    ensure(rows1 == rows && columns2 == columns && depth1 == depth2, Kind::Shape)?;
    for own in [stack1, stack2] {
        let fits = own.iter().rev().zip(stack.iter().rev()).all(|(&a, &b)| a == b || a == 1);
        ensure(own.len() <= stack.len() && fits, Kind::Shape)?;
    }
    let product = attributes.product;
    for zero in product.input_zero_points {
        zero_point(zero, x1.ty)?;
    }
    multiplier(product.multiplier)?;
    zero_point(product.output_zero_point, y.ty)?;
    bounds(product.low, product.high, y.ty)?;
    Ok(depth1)
}

pub(super) fn batch_matmul(model: &Model<'_>, step: &Step<'_>, x1: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    int8(x1, y)?;
    let attributes = BatchMatmul::from_words(step.attrs).ok_or(Kind::Arity)?;
    let depth = depth(&attributes, [x1, &input(model, step, 1)?], y)?;
    sum_fits(depth.into(), 255 * 255, &[])
}
