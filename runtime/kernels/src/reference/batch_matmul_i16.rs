//! `y[..,i,j] = requantize(Σ_k x_1[..,i,k] · x_2[..,k,j]; m)` in int16 with accumulators of 64 bits.

use tanbo_quant::requantize_wide;

use super::batch_matmul::each_output;
use super::{ensure, nd};
use crate::{BatchMatmul, KernelResult};

/// Computes every output.
pub fn run(p: &BatchMatmul<'_>, input1: &[i16], input2: &[i16], output: &mut [i16]) -> KernelResult {
    ensure(nd::elements(p.shapes[0])? == input1.len() && nd::elements(p.shapes[1])? == input2.len())?;
    each_output(p, output, |[at1, at2], [step1, step2], depth| {
        let mut accumulator = 0i64;
        for k in 0..depth {
            accumulator += i64::from(i32::from(input1[at1 + k * step1]) * i32::from(input2[at2 + k * step2]));
        }
        requantize_wide(accumulator, p.multiplier, p.range.rounding, p.range.low, p.range.high) as i16
    })
}
