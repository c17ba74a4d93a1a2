//! `y[i + before] = x[i]`, `value` elsewhere.

use super::{ensure, nd};
use crate::{KernelResult, Pad};

/// Computes every output.
pub fn run(p: &Pad<'_>, input: &[u8], output: &mut [u8]) -> KernelResult {
    ensure(nd::elements(p.input_shape)? * p.element_bytes == input.len())?;
    ensure(nd::elements(p.output_shape)? * p.element_bytes == output.len())?;
    ensure(p.input_shape.len() == p.output_shape.len() && (1..=4).contains(&p.element_bytes))?;
    for element in output.chunks_exact_mut(p.element_bytes) {
        element.copy_from_slice(&p.value[..p.element_bytes]);
    }
    let steps = nd::strides(p.output_shape);
    let start = steps.iter().zip(&p.before).map(|(step, &before)| step * before as isize).sum();
    nd::copy(p.input_shape, (input, 0, nd::strides(p.input_shape)), (output, start, steps), p.element_bytes)
}
