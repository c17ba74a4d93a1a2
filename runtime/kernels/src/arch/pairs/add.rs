//! Sums of two tensors of one shape, with what depends on no value taken out of the loop.

use tanbo_quant::{Multiplier, Rounding, rounding_divide_by_pot, rounding_doubling_high_mul};

use crate::{KernelResult, LengthError, Sum, reference};

/// Computes every output.
pub(crate) fn add(p: &Sum<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> KernelResult {
    let same = p.shapes[0] == p.output_shape && p.shapes[1] == p.output_shape;
    let elements = p.output_shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis as usize));
    let lengths = [input1.len(), input2.len(), output.len()];
    if !same || lengths.map(Some) != [elements; 3] {
        return reference::add::run(p, input1, input2, output);
    }
    every(p, 0, input1.iter().zip(input2).zip(output).map(|((&x1, &x2), y)| (x1, x2, y)));
    Ok(())
}

/// Computes every output where input `place` was.
pub(crate) fn add_in_place(p: &Sum<'_>, place: usize, values: &mut [i8], other: &[i8]) -> KernelResult {
    if place > 1 || values.len() != other.len() {
        return Err(LengthError);
    }
    every(p, place, values.iter_mut().zip(other).map(|(value, &x)| (*value, x, value)));
    Ok(())
}

/// Computes outputs: of each item the values of input `first` and of the other, and where their sum goes.
#[inline(always)]
fn every<'v>(p: &Sum<'_>, first: usize, items: impl Iterator<Item = (i8, i8, &'v mut i8)>) {
    match p.range.rounding {
        Rounding::Single => each(p, first, items, |a, by| by.apply(a, Rounding::Single)),
        // Inputs scale down, sums too: what else there may be goes the way of the reference.
        Rounding::Tflite if [p.multipliers[0], p.multipliers[1], p.multiplier].iter().all(|by| by.shift <= 0) => {
            each(p, first, items, |a, by| {
                rounding_divide_by_pot(rounding_doubling_high_mul(a, by.mantissa), -by.shift)
            });
        }
        Rounding::Tflite => each(p, first, items, |a, by| by.apply(a, Rounding::Tflite)),
    }
}

#[inline(always)]
fn each<'v>(
    p: &Sum<'_>,
    first: usize,
    items: impl Iterator<Item = (i8, i8, &'v mut i8)>,
    apply: impl Fn(i32, Multiplier) -> i32,
) {
    let [(by1, zero1), (by2, zero2)] = [first, 1 - first].map(|input| (p.multipliers[input], p.zero_points[input]));
    let (left, by, range) = (p.left_shift, p.multiplier, p.range);
    for (x1, x2, y) in items {
        let u1 = apply((i32::from(x1) - zero1) << left, by1);
        let u2 = apply((i32::from(x2) - zero2) << left, by2);
        let value = apply(u1 + u2, by).saturating_add(range.zero_point);
        *y = value.min(range.high).max(range.low) as i8;
    }
}
