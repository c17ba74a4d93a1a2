//! `y[i] = x[begin + i · stride]` per axis.

use super::{ensure, nd};
use crate::{KernelResult, MAX_RANK, Slice};

/// Computes every output.
pub fn run(p: &Slice<'_>, input: &[u8], output: &mut [u8]) -> KernelResult {
    ensure(nd::elements(p.input_shape)? * p.element_bytes == input.len())?;
    ensure(nd::elements(p.output_shape)? * p.element_bytes == output.len())?;
    ensure(p.input_shape.len() == p.output_shape.len())?;
    let input_strides = nd::strides(p.input_shape);
    let mut steps = [0isize; MAX_RANK];
    let mut start = 0;
    for axis in 0..p.input_shape.len() {
        start += input_strides[axis] * p.begin[axis] as isize;
        steps[axis] = input_strides[axis] * p.stride[axis] as isize;
    }
    nd::copy(p.output_shape, (input, start, steps), (output, 0, nd::strides(p.output_shape)), p.element_bytes)
}
