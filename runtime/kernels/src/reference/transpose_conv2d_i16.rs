//! As `transpose_conv2d`, in int16 with accumulators of 64 bits.

use super::ensure;
use super::transpose_conv2d::output_row;
use crate::{Conv2dI16, KernelResult, Rows, RowsMut};

/// Computes output row `row` (batch entry times height plus y) from the input pixels that meet it.
pub fn run(p: &Conv2dI16<'_>, input: Rows<'_, i16>, output: &mut RowsMut<'_, i16>, row: usize) -> KernelResult {
    let (channels, outputs) = (p.input.channels, p.output.channels);
    ensure(p.groups > 0 && channels.is_multiple_of(p.groups) && outputs.is_multiple_of(p.groups))?;
    ensure(p.weights.len() == outputs * p.window.kernel[0] * p.window.kernel[1] * (channels / p.groups))?;
    ensure(p.bias.len() == outputs && p.multipliers.covers(outputs))?;
    let add = |accumulator: i64, x: &[i16], at: usize| {
        let products = x.iter().zip(&p.weights[at..]);
        accumulator + products.map(|(&x, &w)| i64::from(i32::from(x) * i32::from(w))).sum::<i64>()
    };
    let finish = |accumulator, o| p.range.requantize(accumulator, p.multipliers.get(o));
    output_row(&p.window, [p.input, p.output], p.groups, input, output, row, |o| p.bias[o], add, finish)
}
