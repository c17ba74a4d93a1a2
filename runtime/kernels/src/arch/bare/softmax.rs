//! Softmax of long runs: an output depends on nothing but the difference to the greatest value, of which there are 256. So each
//! difference that occurs gets its exponential and its output once.

use tanbo_quant::{Rounding, rounding_divide_by_pot, rounding_doubling_high_mul};

use crate::reference::fixed_point::{exp_on_negative, reciprocal_of_one_plus};
use crate::{KernelResult, LengthError, Softmax, reference};

/// Length from which differences are worth counting; below, most occur once.
const LEAST: usize = 64;

/// Computes every output.
#[inline]
pub(crate) fn softmax(p: &Softmax<'_>, input: &[i8], output: &mut [i8]) -> KernelResult {
    // Counts are halfwords.
    if !(LEAST..=usize::from(u16::MAX)).contains(&p.length) {
        return reference::softmax::run(p, input, output);
    }
    let whole = input.len() == output.len() && input.len().is_multiple_of(p.length);
    if !whole || (p.range.rounding == Rounding::Single && p.exponentials.len() != 256) {
        return Err(LengthError);
    }
    input.chunks_exact(p.length).zip(output.chunks_exact_mut(p.length)).for_each(|(x, y)| run(p, x, y));
    Ok(())
}

/// Computes the outputs of a run. Not inlined: short runs need not have its table on their stack.
#[inline(never)]
fn run(p: &Softmax<'_>, x: &[i8], y: &mut [i8]) {
    let greatest = x.iter().fold(i8::MIN, |greatest, &x| greatest.max(x));
    let difference = |x: i8| usize::from(greatest.wrapping_sub(x) as u8);
    let mut table = [0u16; 256];
    for &x in x {
        table[difference(x)] += 1;
    }
    match p.range.rounding {
        Rounding::Tflite => tflite(p, &mut table),
        Rounding::Single => single(p, &mut table),
    }
    for (&x, y) in x.iter().zip(y) {
        *y = table[difference(x)] as i8;
    }
}

/// Replaces counts of differences by outputs, in TensorFlow Lite's rounding; the formula is the reference's.
fn tflite(p: &Softmax<'_>, table: &mut [u16; 256]) {
    let exponential = |d: i32| {
        exp_on_negative(
            rounding_doubling_high_mul((-d).wrapping_shl(p.multiplier.shift as u32), p.multiplier.mantissa),
            5,
        )
    };
    let least = p.diff_min.wrapping_neg();
    let mut sum = 0i32;
    for (d, &count) in (0..).zip(table.iter()) {
        if count > 0 && d <= least {
            sum = sum.wrapping_add(i32::from(count).wrapping_mul(rounding_divide_by_pot(exponential(d), 12)));
        }
    }
    let zeros = sum.leading_zeros();
    let reciprocal = reciprocal_of_one_plus(((sum as u32) << zeros).wrapping_sub(1 << 31) as i32);
    for (d, value) in (0..).zip(table) {
        if *value > 0 {
            *value = if d > least {
                p.range.low as u16
            } else {
                let scaled = rounding_doubling_high_mul(reciprocal, exponential(d));
                let y = rounding_divide_by_pot(scaled, 35 - zeros as i32) + p.range.zero_point;
                y.min(p.range.high).max(p.range.low) as u16
            };
        }
    }
}

/// As [`tflite`], in single rounding.
fn single(p: &Softmax<'_>, table: &mut [u16; 256]) {
    let sum: u64 = p.exponentials.iter().zip(&*table).map(|(&e, &count)| e as u64 * u64::from(count)).sum();
    for (&e, value) in p.exponentials.iter().zip(table) {
        if *value > 0 {
            // The sum is not zero: the greatest value's exponential is 2^23.
            let probability = (((e as u64) << 24) + sum / 2).checked_div(sum).unwrap_or(0);
            *value = p.range.requantize(probability as i32, p.multiplier) as u16;
        }
    }
}
