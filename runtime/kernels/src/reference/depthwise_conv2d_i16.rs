//! `y[oy,ox,o] = requantize(bias[o] + Σ x[oy·s + ky·d - p, ox·s + kx·d - p, o / m] · w[ky,kx,o])` in int16 with
//! accumulators of 64 bits, over the taps inside the input; `m` is the channel multiplier.

use super::ensure;
use crate::{DepthwiseConv2dI16, KernelResult, Rows, RowsMut};

/// Computes output row `row` (batch entry times height plus y).
pub fn run(
    p: &DepthwiseConv2dI16<'_>,
    input: Rows<'_, i16>,
    output: &mut RowsMut<'_, i16>,
    row: usize,
) -> KernelResult {
    let [kernel_h, kernel_w] = p.window.kernel;
    let (channels, outputs) = (p.input.channels, p.output.channels);
    ensure(channels > 0 && outputs.is_multiple_of(channels))?;
    ensure(input.row_len() == p.input.row_len() && output.row_len() == p.output.row_len() && p.output.height > 0)?;
    ensure(p.weights.len() == kernel_h * kernel_w * outputs && p.bias.len() == outputs)?;
    ensure(p.multipliers.covers(outputs))?;
    let multiplier = outputs / channels;
    let (batch, oy) = (row / p.output.height, row % p.output.height);
    for ox in 0..p.output.width {
        for o in 0..outputs {
            let mut accumulator = p.bias[o];
            for ky in 0..kernel_h {
                let Some(iy) = p.window.position(0, oy, ky, p.input.height) else { continue };
                let input_row = input.row(batch * p.input.height + iy);
                for kx in 0..kernel_w {
                    let Some(ix) = p.window.position(1, ox, kx, p.input.width) else { continue };
                    let x = i32::from(input_row[ix * channels + o / multiplier]);
                    let w = i32::from(p.weights[(ky * kernel_w + kx) * outputs + o]);
                    accumulator += i64::from(x * w);
                }
            }
            output.row_mut(row)[ox * outputs + o] = p.range.requantize(accumulator, p.multipliers.get(o));
        }
    }
    Ok(())
}
