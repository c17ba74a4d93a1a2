//! `v = (x · multiplier + 2^(s-1)) >> s` in units of 1/12288, then the logistic function or the hyperbolic tangent of it.
//!
//! With T(i) the table in 16 fraction bits, its line between `i = |v| >> b` and `i + 1` has `b` bits more:
//! `l = (T(i) << b) + (|v| mod 2^b) · (T(i+1) - T(i))`.
//! Logistic: b = 9; `l = 32767 << 10` where i is 255 or more; `y = (l + 512) >> 10` for v >= 0, else
//! `y = (2^25 - l + 511) >> 10`. Tangent, as 2·logistic(2v) - 1: b = 8; `l = 65535 << 8` where i is 255 or more;
//! `y = (l - 2^23 + 128) >> 8` for v >= 0, else `y = (2^23 - l + 127) >> 8`. Clamped to int16.
//!
//! Source: TensorFlow Lite's `reference_integer_ops::Logistic` and `Tanh` of 16 bits.

use super::ensure;
use crate::{KernelResult, SigmoidI16};

/// Computes every output.
pub fn run(p: &SigmoidI16<'_>, input: &[i16], output: &mut [i16]) -> KernelResult {
    ensure(p.table.len() == 256 && input.len() == output.len())?;
    ensure(p.right_shift <= 31 && (0..=32767).contains(&p.multiplier))?;
    for (&x, y) in input.iter().zip(output) {
        let v = (i32::from(x) * p.multiplier + ((1i64 << p.right_shift >> 1) as i32)) >> p.right_shift;
        let value = if p.tanh { tanh(p.table, v) } else { logistic(p.table, v) };
        *y = value.clamp(-32768, 32767) as i16;
    }
    Ok(())
}

/// Returns the logistic function of `v`.
pub(super) fn logistic(table: &[i16], v: i32) -> i32 {
    let line = line(table, v, 9).unwrap_or(32767 << 10);
    if v >= 0 { (line + (1 << 9)) >> 10 } else { ((1 << 25) - line + (1 << 9) - 1) >> 10 }
}

/// Returns the hyperbolic tangent of `v`.
pub(super) fn tanh(table: &[i16], v: i32) -> i32 {
    let line = line(table, v, 8).unwrap_or(65535 << 8);
    if v >= 0 { (line - (1 << 23) + (1 << 7)) >> 8 } else { ((1 << 23) - line + (1 << 7) - 1) >> 8 }
}

/// The table at a magnitude whose lowest `bits` bits lie between two entries, or `None` beyond its end.
fn line(table: &[i16], v: i32, bits: u32) -> Option<i32> {
    let (index, rest) = ((v.unsigned_abs() >> bits) as usize, v.unsigned_abs() & ((1 << bits) - 1));
    let entry = |i: usize| table.get(i).map(|&t| i32::from(t) + 32768);
    let (base, next) = (entry(index)?, entry(index + 1)?);
    Some((base << bits) + rest as i32 * (next - base))
}
