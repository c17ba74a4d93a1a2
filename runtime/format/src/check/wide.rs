//! Operators of int16 activations, whose zero points are 0.

use super::conv::{depthwise, grouped, rows};
use super::dense::depth;
use super::elementwise::{scaled_product, scaled_sum};
use super::pool::{divisors, pool, reduced};
use super::*;

/// `|Σ x|` of so many int16 values fits an i32.
const MAX_SUMMED: u64 = 65_535;

/// Entries of the tables of a softmax in TensorFlow Lite rounding, each.
const SOFTMAX_ENTRIES: usize = 513;

fn int16(x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    ensure(x.ty == ElementType::I16 && y.ty == ElementType::I16, Kind::Type)
}

fn long_constant<'a>(step: &Step<'a>, index: usize) -> Result<&'a [i64], Kind> {
    step.constant(index).and_then(Constant::i64).ok_or(Kind::Constant)
}

fn short_constant<'a>(step: &Step<'a>, index: usize) -> Result<&'a [i16], Kind> {
    step.constant(index).and_then(Constant::i16).ok_or(Kind::Constant)
}

/// Products of int16 and int8 are at most 2^22: the accumulator is within the range of the wide multiplication. The one
/// of TensorFlow Lite has a greatest shift.
fn weights(step: &Step<'_>, outputs: usize, terms: u64, accumulator_bits: i32) -> Checked {
    let (weights, bias) = (byte_constant(step, 0)?, long_constant(step, 1)?);
    let largest = bias.iter().map(|b| b.unsigned_abs()).max().unwrap_or(0);
    ensure(terms <= MAX_TERMS, Kind::Accumulator)?;
    ensure((terms << 22).saturating_add(largest) <= Multiplier::MAX_WIDE as u64, Kind::Accumulator)?;
    ensure(weights.len() as u64 == outputs as u64 * terms && bias.len() == outputs, Kind::Constant)?;
    multipliers(step, 2, [1, outputs])?;
    match (step.rounding, accumulator_bits) {
        (Rounding::Tflite, 64) => {
            let fits = |&shift: &i8| i32::from(shift) <= Multiplier::MAX_WIDE_SHIFT;
            ensure(byte_constant(step, 3)?.iter().all(fits), Kind::Constant)
        }
        // 32 bits are a matter of TensorFlow Lite's arithmetic alone.
        (Rounding::Tflite, 32) | (Rounding::Single, 64) => Ok(()),
        _ => Err(Kind::Attribute),
    }
}

pub(super) fn conv2d(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    int16(x, y)?;
    let attributes = ConvI16::from_conv2d(step.attrs).ok_or(Kind::Arity)?;
    let (outputs, terms) = grouped(&attributes.conv, x, y)?;
    weights(step, outputs, terms, attributes.accumulator_bits)
}

pub(super) fn depthwise_conv2d(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    int16(x, y)?;
    let attributes = ConvI16::from_depthwise_conv2d(step.attrs).ok_or(Kind::Arity)?;
    let (outputs, terms) = depthwise(&attributes, x, y)?;
    weights(step, outputs, terms, 64)
}

pub(super) fn fully_connected(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    int16(x, y)?;
    range(&attrs::fully_connected_i16(step.attrs).ok_or(Kind::Arity)?, x.ty, y.ty)?;
    let outputs = long_constant(step, 1)?.len();
    let inputs = byte_constant(step, 0)?.len().checked_div(outputs).unwrap_or(0);
    weights(step, outputs, inputs as u64, 64)?;
    rows(x, inputs, y, outputs)
}

pub(super) fn transpose_conv2d(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    int16(x, y)?;
    let (outputs, terms) = grouped(&attrs::transpose_conv2d_i16(step.attrs).ok_or(Kind::Arity)?, x, y)?;
    weights(step, outputs, terms, 64)
}

/// Products of two int16 values are at most 2^30.
pub(super) fn batch_matmul(model: &Model<'_>, step: &Step<'_>, x1: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    int16(x1, y)?;
    let attributes = attrs::BatchMatmul::from_i16(step.attrs).ok_or(Kind::Arity)?;
    let depth = depth(&attributes, [x1, &input(model, step, 1)?], y)?;
    ensure(u64::from(depth) << 30 <= Multiplier::MAX_WIDE as u64, Kind::Accumulator)?;
    let fits = step.rounding == Rounding::Single || attributes.product.multiplier.shift <= Multiplier::MAX_WIDE_SHIFT;
    ensure(fits, Kind::Attribute)
}

pub(super) fn average_pool2d(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    int16(x, y)?;
    let taps = pool(x, y, &Pool::from_i16(step.attrs).ok_or(Kind::Arity)?)?;
    ensure(taps <= MAX_SUMMED, Kind::Accumulator)?;
    divisors(step, taps as usize)
}

pub(super) fn max_pool2d(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    int16(x, y)?;
    let taps = pool(x, y, &Pool::from_i16(step.attrs).ok_or(Kind::Arity)?)?;
    ensure(taps <= MAX_SUMMED, Kind::Accumulator)
}

pub(super) fn mean(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    int16(x, y)?;
    let count = reduced(&attrs::Mean::from_i16(step.attrs).ok_or(Kind::Arity)?, x, y)?;
    ensure(count <= MAX_SUMMED, Kind::Accumulator)
}

pub(super) fn sum(model: &Model<'_>, step: &Step<'_>, x1: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    int16(x1, y)?;
    let x2 = input(model, step, 1)?;
    // 16 bits and 15 of headroom: each term is at most 2^30, and the sum fits an i32.
    scaled_sum(&attrs::Sum::from_i16(step.attrs).ok_or(Kind::Arity)?, 15, [x1, &x2], y)
}

pub(super) fn product(model: &Model<'_>, step: &Step<'_>, x1: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    int16(x1, y)?;
    let x2 = input(model, step, 1)?;
    scaled_product(&attrs::Product::from_i16(step.attrs).ok_or(Kind::Arity)?, [x1, &x2], y)
}

pub(super) fn lut(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    int16(x, y)?;
    let &[bits] = step.attrs else { return Err(Kind::Arity) };
    // A step between entries, at most 2^16, times a distance below 2^12 fits an i32.
    ensure((0..=12).contains(&bits), Kind::Attribute)?;
    ensure(short_constant(step, 0)?.len() == (1 << (16 - bits)) + 1, Kind::Constant)?;
    ensure(x.shape == y.shape, Kind::Shape)
}

pub(super) fn sigmoid(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    int16(x, y)?;
    let attributes = attrs::SigmoidI16::from_words(step.attrs).ok_or(Kind::Arity)?;
    // 2^15 · 32767 and a rounding term of at most 2^30 fit an i32.
    let ranges = (0..=1).contains(&attributes.tanh)
        && (0..=32_767).contains(&attributes.multiplier)
        && (0..=31).contains(&attributes.right_shift);
    ensure(ranges, Kind::Attribute)?;
    ensure(short_constant(step, 0)?.len() == 256, Kind::Constant)?;
    ensure(x.shape == y.shape, Kind::Shape)
}

pub(super) fn softmax(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    int16(x, y)?;
    multiplier(attrs::softmax_i16(step.attrs).ok_or(Kind::Arity)?)?;
    ensure(x.shape == y.shape, Kind::Shape)?;
    let &[.., length] = x.shape else { return Err(Kind::Shape) };
    // The sum of exponentials, each at most 2^15, fits an i32.
    ensure(u64::from(length) <= MAX_SUMMED, Kind::Accumulator)?;
    let (tables, exponentials) = (short_constant(step, 0)?, word_constant(step, 1)?);
    match step.rounding {
        Rounding::Tflite => {
            ensure(exponentials.is_empty() && tables.len() == 2 * SOFTMAX_ENTRIES, Kind::Constant)?;
            // The greatest value contributes at least a half: the sum is at least 2^14.
            let greatest = tables.get(SOFTMAX_ENTRIES - 2..SOFTMAX_ENTRIES).ok_or(Kind::Constant)?;
            let large = greatest.iter().all(|&e| e >= 1 << 14);
            ensure(large && tables.iter().all(|&e| e >= 0), Kind::Constant)
        }
        Rounding::Single => {
            ensure(tables.is_empty() && exponentials.len() == 512, Kind::Constant)?;
            ensure(exponentials.iter().all(|&e| (0..=1 << 30).contains(&e)), Kind::Constant)?;
            // exp(0), which the greatest value contributes, keeps the sum from being zero.
            let ones = [exponentials.first(), exponentials.get(256)];
            ensure(ones == [Some(&(1 << 30)); 2], Kind::Constant)
        }
    }
}
