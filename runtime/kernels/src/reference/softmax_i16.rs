//! `y = exp(x) / Σ exp(x)` over the last axis in int16, from differences d >= 0 of the greatest value to each.
//!
//! TensorFlow Lite rounding, in Q15: `E = exp_table(MB(-d; m) + 32767)`, S = Σ E, c its leading zeros,
//! `R = reciprocal_table((((S << (c-1)) + 2^13) >> 14) - 3·2^15)`, `y = (E · R + 2^(30-c)) >> (31-c)`; tables interpolate
//! (`lut_i16`), and their arguments saturate to int16. Source: TensorFlow Lite's `SoftmaxInt16`.
//! Single rounding: `E = (e[d >> 8] · e[256 + (d & 255)] + 2^29) >> 30`, `p = floor((E · 2^30 + S/2) / S)`,
//! `y = requantize(p)`.

use tanbo_quant::Rounding;

use super::ensure;
use super::lut_i16::interpolate;
use crate::{KernelResult, SoftmaxI16};

/// Entries of a table of TensorFlow Lite's.
const ENTRIES: usize = 513;

/// Computes every output.
pub fn run(p: &SoftmaxI16<'_>, input: &[i16], output: &mut [i16]) -> KernelResult {
    ensure((1..=65_535).contains(&p.length) && input.len() == output.len() && input.len().is_multiple_of(p.length))?;
    match p.rounding {
        Rounding::Tflite => ensure(p.tables.len() == 2 * ENTRIES)?,
        Rounding::Single => ensure(p.exponentials.len() == 512)?,
    }
    for (x, y) in input.chunks_exact(p.length).zip(output.chunks_exact_mut(p.length)) {
        let greatest = i32::from(x.iter().copied().max().unwrap_or(0));
        match p.rounding {
            Rounding::Tflite => tflite(p, x, y, greatest)?,
            Rounding::Single => single(p, x, y, greatest)?,
        }
    }
    Ok(())
}

fn saturate(x: i32) -> i16 {
    x.clamp(-32768, 32767) as i16
}

fn tflite(p: &SoftmaxI16<'_>, x: &[i16], y: &mut [i16], greatest: i32) -> KernelResult {
    let (exponentials, reciprocals) = p.tables.split_at(ENTRIES);
    let exponential = |x: i16| {
        let scaled = p.multiplier.apply(i32::from(x) - greatest, p.rounding);
        i32::from(interpolate(exponentials, 7, saturate(scaled.saturating_add(32767))))
    };
    let sum: i32 = x.iter().map(|&x| exponential(x)).sum();
    // The tables keep it at 2^14 and more.
    ensure(sum > 1)?;
    let zeros = sum.leading_zeros();
    let fraction = (((i64::from(sum) << (zeros - 1)) + (1 << 13)) >> 14) as i32;
    let reciprocal = i32::from(interpolate(reciprocals, 7, saturate(fraction - (3 << 15))));
    for (&x, y) in x.iter().zip(y) {
        *y = ((exponential(x) * reciprocal + (1 << (30 - zeros))) >> (31 - zeros)).clamp(0, 32767) as i16;
    }
    Ok(())
}

fn single(p: &SoftmaxI16<'_>, x: &[i16], y: &mut [i16], greatest: i32) -> KernelResult {
    let exponential = |x: i16| {
        let difference = (greatest - i32::from(x)) as usize;
        let (coarse, fine) = (p.exponentials[difference >> 8], p.exponentials[256 + (difference & 255)]);
        (coarse as u64 * fine as u64 + (1 << 29)) >> 30
    };
    let sum: u64 = x.iter().map(|&x| exponential(x)).sum();
    ensure(sum > 0)?;
    for (&x, y) in x.iter().zip(y) {
        let probability = ((exponential(x) << 30) + sum / 2) / sum;
        *y = saturate(p.multiplier.apply(probability as i32, p.rounding));
    }
    Ok(())
}
