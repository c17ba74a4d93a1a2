//! `svdf`: each filter's state moves one place towards the past, and takes in
//! `s[f] = clamp(MB(Σ_i (x[i] - zx)·wf[f, i]; feature) + zs)`; then
//! `y[u] = requantize(bias[u] + Σ_k Σ_t (s[u·rank + k, t] - zs)·wt[u·rank + k, t])`, the sum modulo 2^32 as a word with sign.
//!
//! Source: github.com/tensorflow/tflite-micro, `micro/kernels/svdf_common.cc`.

use super::ensure;
use crate::{KernelResult, StateMut, Svdf};

/// Computes `[batch, units]` from `[batch, inputs]`; the state is `[batch, filters, memory]`, the oldest first.
pub fn run(p: &Svdf<'_>, input: &[i8], state: StateMut<'_>, output: &mut [i8]) -> KernelResult {
    match state {
        StateMut::I8(state) => typed(p, input, state, output, |s| s.clamp(-128, 127) as i8),
        StateMut::I16(state) => typed(p, input, state, output, |s| s.clamp(-32768, 32767) as i16),
    }
}

fn typed<S: Copy + Into<i32>>(
    p: &Svdf<'_>,
    input: &[i8],
    state: &mut [S],
    output: &mut [i8],
    clamp: impl Fn(i32) -> S,
) -> KernelResult {
    let units = p.bias.len();
    let filters = units * p.rank;
    let whole = p.feature_weights.len().is_multiple_of(filters) && p.time_weights.len().is_multiple_of(filters);
    ensure(filters > 0 && whole)?;
    let (inputs, memory) = (p.feature_weights.len() / filters, p.time_weights.len() / filters);
    ensure(inputs > 0 && memory > 0 && input.len().is_multiple_of(inputs))?;
    let batch = input.len() / inputs;
    ensure(state.len() == batch * filters * memory && output.len() == batch * units)?;
    let sequences = input.chunks_exact(inputs).zip(state.chunks_exact_mut(filters * memory));
    for ((x, state), y) in sequences.zip(output.chunks_exact_mut(units)) {
        for (past, weights) in state.chunks_exact_mut(memory).zip(p.feature_weights.chunks_exact(inputs)) {
            let terms = x.iter().zip(weights).map(|(&x, &w)| (i32::from(x) - p.input_zero_point) * i32::from(w));
            let value = p.feature.apply(terms.sum(), p.range.rounding).saturating_add(p.state_zero_point);
            past.copy_within(1.., 0);
            past[memory - 1] = clamp(value);
        }
        let rank = p.rank * memory;
        let filtered = state.chunks_exact(rank).zip(p.time_weights.chunks_exact(rank));
        for ((y, &bias), (past, weights)) in y.iter_mut().zip(p.bias).zip(filtered) {
            let terms = past.iter().zip(weights).map(|(&s, &w)| (s.into() - p.state_zero_point) * i32::from(w));
            let sum = terms.fold(bias, i32::wrapping_add);
            *y = p.range.requantize(sum, p.multiplier) as i8;
        }
    }
    Ok(())
}
