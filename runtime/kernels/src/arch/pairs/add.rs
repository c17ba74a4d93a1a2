//! Sums of two tensors of one shape, with what depends on no value taken out of the loop.

use tanbo_quant::{Multiplier, Rounding};

use crate::{KernelResult, LengthError, Sum, reference};

/// Computes every output.
pub(crate) fn add(p: &Sum<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> KernelResult {
    let same = p.shapes[0] == p.output_shape && p.shapes[1] == p.output_shape;
    let elements = p.output_shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis as usize));
    let lengths = [input1.len(), input2.len(), output.len()];
    if !same || lengths.map(Some) != [elements; 3] {
        return reference::add::run(p, input1, input2, output);
    }
    // SAFETY: the three have one length.
    unsafe { every(p, [0, 1], [input1.as_ptr(), input2.as_ptr()], output.as_mut_ptr(), output.len()) };
    Ok(())
}

/// Computes every output where input `place` was.
pub(crate) fn add_in_place(p: &Sum<'_>, place: usize, values: &mut [i8], other: &[i8]) -> KernelResult {
    if place > 1 || values.len() != other.len() {
        return Err(LengthError);
    }
    let output = values.as_mut_ptr();
    // SAFETY: both have one length; a value is read before an output is written where it was.
    unsafe { every(p, [place, 1 - place], [output.cast_const(), other.as_ptr()], output, other.len()) };
    Ok(())
}

/// Computes `count` outputs from values of the inputs with these numbers.
///
/// # Safety
/// The pointers must be valid for `count` values; the output may be one of the inputs.
unsafe fn every(p: &Sum<'_>, numbers: [usize; 2], inputs: [*const i8; 2], output: *mut i8, count: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        match p.range.rounding {
            Rounding::Single => {
                each(p, numbers, inputs, output, count, |a, by| by.apply(a, Rounding::Single));
            }
            // Inputs scale down, sums too: what else there may be goes the way of the reference.
            Rounding::Tflite if [p.multipliers[0], p.multipliers[1], p.multiplier].iter().all(|by| by.shift <= 0) => {
                each(p, numbers, inputs, output, count, halves_away);
            }
            Rounding::Tflite => each(p, numbers, inputs, output, count, |a, by| by.apply(a, Rounding::Tflite)),
        }
    }
}

/// Multiplies by the mantissa, which is positive, and divides by `2^r`, halves away from zero: `floor((h + 2^(r-1) - [h < 0]) / 2^r)` of
/// the product `h`, for `r > 0`. No sum here overflows: the verifier holds what is scaled below 2^30.
#[inline(always)]
fn halves_away(a: i32, by: Multiplier) -> i32 {
    let high = ((i64::from(a) * i64::from(by.mantissa) + (1 << 30)) >> 31) as i32;
    let right = -by.shift;
    let less = if right > 0 { high >> 31 } else { 0 };
    high.wrapping_add((1u32 << right >> 1) as i32).wrapping_add(less) >> right
}

/// As [`every`], for one way to scale.
///
/// # Safety
/// As there.
#[inline(always)]
unsafe fn each(
    p: &Sum<'_>,
    numbers: [usize; 2],
    [input1, input2]: [*const i8; 2],
    output: *mut i8,
    count: usize,
    apply: impl Fn(i32, Multiplier) -> i32,
) {
    let [(by1, zero1), (by2, zero2)] = numbers.map(|input| (p.multipliers[input], p.zero_points[input]));
    let (left, by, range) = (p.left_shift, p.multiplier, p.range);
    for at in 0..count {
        // One after the other: small code would make a loop of two.
        // SAFETY: as the caller promises.
        let (x1, x2) = unsafe { (input1.add(at).read(), input2.add(at).read()) };
        let u1 = apply((i32::from(x1) - zero1) << left, by1);
        let u2 = apply((i32::from(x2) - zero2) << left, by2);
        let value = apply(u1 + u2, by).saturating_add(range.zero_point);
        // SAFETY: as the caller promises.
        unsafe { output.add(at).write(value.min(range.high).max(range.low) as i8) };
    }
}
