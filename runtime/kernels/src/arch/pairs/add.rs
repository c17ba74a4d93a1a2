//! Sums of two tensors of one shape, with what depends on no value taken out of the loop.

use tanbo_quant::{Multiplier, Rounding, rounding_divide_by_pot, rounding_doubling_high_mul};

use crate::{KernelResult, Sum, reference};

/// Computes every output.
pub(crate) fn add(p: &Sum<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> KernelResult {
    let same = p.shapes[0] == p.output_shape && p.shapes[1] == p.output_shape;
    let elements = p.output_shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis as usize));
    let lengths = [input1.len(), input2.len(), output.len()];
    if !same || lengths.map(Some) != [elements; 3] {
        return reference::add::run(p, input1, input2, output);
    }
    match p.range.rounding {
        Rounding::Single => each(p, input1, input2, output, |a, by| by.apply(a, Rounding::Single)),
        // Inputs scale down, sums too: what else there may be goes the way of the reference.
        Rounding::Tflite if [p.multipliers[0], p.multipliers[1], p.multiplier].iter().all(|by| by.shift <= 0) => {
            each(p, input1, input2, output, |a, by| {
                rounding_divide_by_pot(rounding_doubling_high_mul(a, by.mantissa), -by.shift)
            });
        }
        Rounding::Tflite => each(p, input1, input2, output, |a, by| by.apply(a, Rounding::Tflite)),
    }
    Ok(())
}

#[inline(always)]
fn each(p: &Sum<'_>, input1: &[i8], input2: &[i8], output: &mut [i8], apply: impl Fn(i32, Multiplier) -> i32) {
    let ([by1, by2], by, [zero1, zero2]) = (p.multipliers, p.multiplier, p.zero_points);
    let (left, range) = (p.left_shift, p.range);
    for ((&x1, &x2), y) in input1.iter().zip(input2).zip(output) {
        let u1 = apply((i32::from(x1) - zero1) << left, by1);
        let u2 = apply((i32::from(x2) - zero2) << left, by2);
        let value = apply(u1 + u2, by).saturating_add(range.zero_point);
        *y = value.min(range.high).max(range.low) as i8;
    }
}
