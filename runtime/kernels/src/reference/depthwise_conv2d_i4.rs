//! As `depthwise_conv2d`, with weights of four bits: weight `i` in byte `i div 2`, in the low half where `i` is even.

use super::{depthwise_conv2d, ensure, nibbles};
use crate::{DepthwiseConv2d, KernelResult, Rows, RowsMut};

/// Computes output row `row` (batch entry times height plus y).
pub fn run(p: &DepthwiseConv2d<'_>, input: Rows<'_>, output: &mut RowsMut<'_>, row: usize) -> KernelResult {
    ensure(p.weights.len() == depthwise_conv2d::weights(p).div_ceil(2))?;
    depthwise_conv2d::output_row(p, input, output, row, |at| nibbles::get(p.weights, at))
}
