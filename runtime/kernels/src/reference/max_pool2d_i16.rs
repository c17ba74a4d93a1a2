//! `y = clamp(max x)` over the taps inside the input, in int16.

use super::max_pool2d::greatest;
use crate::{KernelResult, MaxPool2d, Rows, RowsMut};

/// Computes output row `row` (batch entry times height plus y).
pub fn run(p: &MaxPool2d, input: Rows<'_, i16>, output: &mut RowsMut<'_, i16>, row: usize) -> KernelResult {
    greatest(p, input, output, row)
}
