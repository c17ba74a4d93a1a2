//! `y = exp(x) / Σ exp(x)` over the last axis, from differences to the greatest value.
//!
//! TensorFlow Lite rounding: `E = exp(d · m)` in Q0.31, the sum in Q12.19, its reciprocal by Newton's method;
//! `y = RD(reciprocal · E, 35 - c) + zy`, `c` the leading zeros of the sum. Single rounding: table of exponentials,
//! `p = floor((E · 2^24 + S/2) / S)`, `y = requantize(p)`.

use tanbo_quant::{Rounding, rounding_divide_by_pot, rounding_doubling_high_mul};

use super::ensure;
use super::fixed_point::{exp_on_negative, reciprocal_of_one_plus};
use crate::{KernelResult, Softmax};

/// Computes every output.
pub fn run(p: &Softmax<'_>, input: &[i8], output: &mut [i8]) -> KernelResult {
    ensure(p.length > 0 && input.len() == output.len() && input.len().is_multiple_of(p.length))?;
    ensure(p.range.rounding == Rounding::Tflite || p.exponentials.len() == 256)?;
    for (x, y) in input.chunks_exact(p.length).zip(output.chunks_exact_mut(p.length)) {
        let greatest = x.iter().copied().max().unwrap_or(0);
        let difference = |x: i8| i32::from(x) - i32::from(greatest);
        match p.range.rounding {
            Rounding::Tflite => tflite(p, x, y, difference),
            Rounding::Single => single(p, x, y, difference),
        }
    }
    Ok(())
}

fn tflite(p: &Softmax<'_>, x: &[i8], y: &mut [i8], difference: impl Fn(i8) -> i32) {
    let exponential =
        |d: i32| exp_on_negative(rounding_doubling_high_mul(d << p.multiplier.shift, p.multiplier.mantissa), 5);
    let mut sum = 0i32;
    for &x in x {
        let d = difference(x);
        if d >= p.diff_min {
            sum += rounding_divide_by_pot(exponential(d), 12);
        }
    }
    let zeros = sum.leading_zeros();
    // `sum << zeros` has its top bit set; without it what is left is the fraction above one.
    let reciprocal = reciprocal_of_one_plus(((sum as u32) << zeros).wrapping_sub(1 << 31) as i32);
    for (&x, y) in x.iter().zip(y) {
        let d = difference(x);
        *y = if d < p.diff_min {
            p.range.low as i8
        } else {
            let scaled = rounding_doubling_high_mul(reciprocal, exponential(d));
            let value = rounding_divide_by_pot(scaled, 35 - zeros as i32) + p.range.zero_point;
            value.clamp(p.range.low, p.range.high) as i8
        };
    }
}

fn single(p: &Softmax<'_>, x: &[i8], y: &mut [i8], difference: impl Fn(i8) -> i32) {
    let exponential = |x: i8| p.exponentials[difference(x).unsigned_abs() as usize] as u64;
    let sum: u64 = x.iter().map(|&x| exponential(x)).sum();
    for (&x, y) in x.iter().zip(y) {
        let probability = ((exponential(x) << 24) + sum / 2) / sum;
        *y = p.range.requantize(probability as i32, p.multiplier) as i8;
    }
}
