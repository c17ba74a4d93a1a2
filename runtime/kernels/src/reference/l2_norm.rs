//! `y = clamp(MB(x - zx; m, s + 7) + zy)` over runs of values, (m, s) the reciprocal square root of `Σ (x - zx)²`: TensorFlow
//! Lite's. The output is in units of 1/128.

use tanbo_quant::{Multiplier, Rounding};

use super::ensure;
use super::fixed_point::inverse_square_root;
use crate::{KernelResult, L2Norm};

/// Computes every output.
pub fn run(p: &L2Norm, input: &[i8], output: &mut [i8]) -> KernelResult {
    ensure(p.length > 0 && input.len() == output.len() && input.len().is_multiple_of(p.length))?;
    for (x, y) in input.chunks_exact(p.length).zip(output.chunks_exact_mut(p.length)) {
        let difference = |x: i8| i32::from(x) - p.input_zero_point;
        let squares = x.iter().map(|&x| difference(x) * difference(x)).sum();
        let (mantissa, shift) = inverse_square_root(squares);
        let multiplier = Multiplier { mantissa, shift: shift + 7 };
        for (&x, y) in x.iter().zip(y) {
            let scaled = multiplier.apply(difference(x), Rounding::Tflite) + p.range.zero_point;
            *y = scaled.clamp(p.range.low, p.range.high) as i8;
        }
    }
    Ok(())
}
