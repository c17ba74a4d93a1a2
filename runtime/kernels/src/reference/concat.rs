//! `y[.., begin + i, ..] = x[.., i, ..]` along the axis.

use super::{ensure, nd};
use crate::{Concat, KernelResult};

/// Writes one input into its place.
pub fn run(p: &Concat<'_>, input: &[u8], output: &mut [u8]) -> KernelResult {
    ensure(nd::elements(p.input_shape)? * p.element_bytes == input.len())?;
    ensure(nd::elements(p.output_shape)? * p.element_bytes == output.len())?;
    ensure(p.input_shape.len() == p.output_shape.len() && p.axis < p.input_shape.len())?;
    let steps = nd::strides(p.output_shape);
    let start = steps[p.axis] * p.begin as isize;
    nd::copy(p.input_shape, (input, 0, nd::strides(p.input_shape)), (output, start, steps), p.element_bytes)
}
