//! `y[i_0, i_1, ..] = x[j]` with `j[perm[a]] = i_a`.

use super::{ensure, nd};
use crate::{KernelResult, MAX_RANK, Transpose};

/// Computes every output.
pub fn run(p: &Transpose<'_>, input: &[u8], output: &mut [u8]) -> KernelResult {
    ensure(nd::elements(p.input_shape)? * p.element_bytes == input.len())?;
    ensure(nd::elements(p.output_shape)? * p.element_bytes == output.len())?;
    ensure(p.input_shape.len() == p.output_shape.len() && p.input_shape.len() <= MAX_RANK)?;
    let input_strides = nd::strides(p.input_shape);
    let mut steps = [0isize; MAX_RANK];
    for (step, &axis) in steps.iter_mut().zip(&p.perm).take(p.input_shape.len()) {
        *step = input_strides[axis as usize];
    }
    nd::copy(p.output_shape, (input, 0, steps), (output, 0, nd::strides(p.output_shape)), p.element_bytes)
}
