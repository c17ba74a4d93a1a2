//! Over each run of N values, with d = x - zx: `V = N · Σ d² - (Σ d)²`, `c = N · d - Σ d` (where not centred, both without
//! `Σ d`), `D = max(V · 2^k + e, 1)`, `y = clamp(floor((n · γ + β · 2^b + 2^(h-1)) / 2^h) + zy)` with `n = c / √D` in Q22:
//! f = half the leading zeros of D, `r = floor(2^63 / floor(√(D · 4^f)))`, `n = floor((c · r + 2^(s-1)) / 2^s)`, s = 41 - k/2 - f.

use super::ensure;
use crate::{KernelResult, LayerNorm};

/// Computes every output.
pub fn run(p: &LayerNorm<'_>, input: &[i8], output: &mut [i8]) -> KernelResult {
    let length = p.gamma.len();
    ensure(length > 0 && p.beta.len() == length)?;
    ensure(input.len() == output.len() && input.len().is_multiple_of(length))?;
    for (x, y) in input.chunks_exact(length).zip(output.chunks_exact_mut(length)) {
        normalize(p, x, y);
    }
    Ok(())
}

fn normalize(p: &LayerNorm<'_>, x: &[i8], y: &mut [i8]) {
    let difference = |x: i8| i64::from(i32::from(x) - p.input_zero_point);
    // At most 2^16 values of 9 bits: the sum of squares fits 32 bits, its product with the length 48.
    let (mut sum, mut squares) = (0i64, 0i64);
    for &x in x {
        sum += difference(x);
        squares += difference(x) * difference(x);
    }
    let length = x.len() as i64;
    let sum = if p.center { sum } else { 0 };
    let variance = (length * squares - sum * sum) as u64;
    let (reciprocal, scale) = reciprocal_root(((variance << p.variance_shift) + p.epsilon).max(1));
    let shift = 41 - p.variance_shift / 2 - scale;
    for ((&x, y), (&gamma, &beta)) in x.iter().zip(y).zip(p.gamma.iter().zip(p.beta)) {
        let centred = length * difference(x) - sum;
        let normal = (centred * reciprocal + (1 << (shift - 1))) >> shift;
        let total = normal * i64::from(gamma) + (i64::from(beta) << p.beta_shift);
        let rounded = (total + (1 << (p.shift - 1))) >> p.shift;
        let bounded = rounded.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
        *y = bounded.saturating_add(p.range.zero_point).clamp(p.range.low, p.range.high) as i8;
    }
}

/// Returns `r` and `f` with `1 / √d ≈ r · 2^f / 2^63`; `r` has 32 bits or is 2^32.
fn reciprocal_root(d: u64) -> (i64, u32) {
    let scale = d.leading_zeros() / 2;
    let root = (d << (2 * scale)).isqrt();
    (((1u64 << 63) / root) as i64, scale)
}
