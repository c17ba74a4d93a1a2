//! Parameters of matrix products of two tensors.

use tanbo_quant::Multiplier;

use super::Output;

/// Products of two stacks of matrices, the last two axes of each input.
#[derive(Clone, Copy, Debug)]
pub struct BatchMatmul<'a> {
    /// Shapes of the inputs; the axes before the last two are aligned at their end, an axis of 1 repeats.
    pub shapes: [&'a [u32]; 2],
    /// Whether rows and columns of an input are exchanged.
    pub transposed: [bool; 2],
    /// Output shape.
    pub output_shape: &'a [u32],
    /// Zero points of the inputs.
    pub zero_points: [i32; 2],
    /// Scale of input 1 · scale of input 2 / output scale.
    pub multiplier: Multiplier,
    /// Output.
    pub range: Output,
}
