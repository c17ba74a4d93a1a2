//! `y[r,o] = requantize(bias[o] + Σ_k x[r,k] · w[o,k])` in int16 with accumulators of 64 bits.

use super::ensure;
use crate::{FullyConnectedI16, KernelResult};

/// Computes every output.
pub fn run(p: &FullyConnectedI16<'_>, input: &[i16], output: &mut [i16]) -> KernelResult {
    let outputs = p.bias.len();
    ensure(outputs > 0 && p.weights.len() >= outputs && p.multipliers.covers(outputs))?;
    let inputs = p.weights.len() / outputs;
    ensure(inputs * outputs == p.weights.len() && input.len().is_multiple_of(inputs))?;
    ensure(input.len() / inputs * outputs == output.len())?;
    for (x, y) in input.chunks_exact(inputs).zip(output.chunks_exact_mut(outputs)) {
        for (o, (w, y)) in p.weights.chunks_exact(inputs).zip(y).enumerate() {
            let products = x.iter().zip(w).map(|(&x, &w)| i64::from(i32::from(x) * i32::from(w)));
            let accumulator = p.bias[o] + products.sum::<i64>();
            *y = p.range.requantize(accumulator, p.multipliers.get(o));
        }
    }
    Ok(())
}
