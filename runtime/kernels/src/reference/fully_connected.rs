//! `y[r,o] = requantize(bias[o] + Σ_k (x[r,k] - zx) · w[o,k])`.

use super::ensure;
use crate::{FullyConnected, KernelResult};

/// Computes every output.
pub fn run(p: &FullyConnected<'_>, input: &[i8], output: &mut [i8]) -> KernelResult {
    let outputs = p.bias.len();
    ensure(outputs > 0 && p.weights.len() >= outputs && p.multipliers.covers(outputs))?;
    let inputs = p.weights.len() / outputs;
    ensure(inputs * outputs == p.weights.len() && input.len().is_multiple_of(inputs))?;
    ensure(input.len() / inputs * outputs == output.len())?;
    for (x, y) in input.chunks_exact(inputs).zip(output.chunks_exact_mut(outputs)) {
        for (o, (w, y)) in p.weights.chunks_exact(inputs).zip(y).enumerate() {
            let products = x.iter().zip(w).map(|(&x, &w)| (i32::from(x) - p.input_zero_point) * i32::from(w));
            let accumulator = p.bias[o] + products.sum::<i32>();
            *y = p.range.requantize(accumulator, p.multipliers.get(o)) as i8;
        }
    }
    Ok(())
}
