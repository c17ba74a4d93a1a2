//! As `conv2d`, with weights of four bits: weight `i` in byte `i div 2`, in the low half where `i` is even.

use super::{conv2d, ensure, nibbles};
use crate::{Conv2d, KernelResult, Rows, RowsMut};

/// Computes output row `row` (batch entry times height plus y).
pub fn run(p: &Conv2d<'_>, input: Rows<'_>, output: &mut RowsMut<'_>, row: usize) -> KernelResult {
    ensure(p.weights.len() == conv2d::weights(p)?.div_ceil(2))?;
    conv2d::output_row(p, input, output, row, |at, x| nibbles::dot(p.weights, at, x, p.input_zero_point))
}
