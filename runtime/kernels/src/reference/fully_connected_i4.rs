//! `y[r,o] = requantize(bias[o] + Σ_k (x[r,k] - zx) · w[o,k])`, with weights of four bits: weight `i`, counted over all
//! rows, in byte `i div 2`, in the low half where `i` is even.

use super::{ensure, nibbles};
use crate::{FullyConnected, KernelResult};

/// Computes every output from rows of `depth` inputs.
pub fn run(p: &FullyConnected<'_>, depth: usize, input: &[i8], output: &mut [i8]) -> KernelResult {
    let outputs = p.bias.len();
    ensure(outputs > 0 && depth > 0 && p.multipliers.covers(outputs))?;
    ensure(outputs.checked_mul(depth).is_some_and(|count| p.weights.len() == count.div_ceil(2)))?;
    ensure(input.len().is_multiple_of(depth) && input.len() / depth * outputs == output.len())?;
    for (x, y) in input.chunks_exact(depth).zip(output.chunks_exact_mut(outputs)) {
        for (o, y) in y.iter_mut().enumerate() {
            let accumulator = p.bias[o] + nibbles::dot(p.weights, o * depth, x, p.input_zero_point);
            *y = p.range.requantize(accumulator, p.multipliers.get(o)) as i8;
        }
    }
    Ok(())
}
