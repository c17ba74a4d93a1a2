//! The mean of the `n` taps inside the input, in int16: [`super::average_pool2d`] with zero points 0.

use super::average_pool2d::average;
use crate::{AveragePool2d, KernelResult, Rows, RowsMut};

/// Computes output row `row` (batch entry times height plus y).
pub fn run(p: &AveragePool2d<'_>, input: Rows<'_, i16>, output: &mut RowsMut<'_, i16>, row: usize) -> KernelResult {
    average(p, input, output, row)
}
