//! `y[oy,ox,o] = requantize(bias[o] + Σ x[oy·s + ky·d - p, ox·s + kx·d - p, c] · w[o,ky,kx,c])` in int16 with accumulators
//! of 64 bits, over the taps inside the input; `c` runs over the channels of the output channel's group.

use super::ensure;
use crate::{Conv2dI16, KernelResult, Rows, RowsMut};

/// Computes output row `row` (batch entry times height plus y).
pub fn run(p: &Conv2dI16<'_>, input: Rows<'_, i16>, output: &mut RowsMut<'_, i16>, row: usize) -> KernelResult {
    let [kernel_h, kernel_w] = p.window.kernel;
    let (channels, outputs) = (p.input.channels, p.output.channels);
    ensure(p.groups > 0 && channels.is_multiple_of(p.groups) && outputs.is_multiple_of(p.groups))?;
    let (group_inputs, group_outputs) = (channels / p.groups, outputs / p.groups);
    let taps = kernel_h * kernel_w * group_inputs;
    ensure(input.row_len() == p.input.row_len() && output.row_len() == p.output.row_len() && p.output.height > 0)?;
    ensure(p.weights.len() == outputs * taps && p.bias.len() == outputs && p.multipliers.covers(outputs))?;
    let (batch, oy) = (row / p.output.height, row % p.output.height);
    for ox in 0..p.output.width {
        for o in 0..outputs {
            let first_channel = o / group_outputs * group_inputs;
            let mut accumulator = p.bias[o];
            for ky in 0..kernel_h {
                let Some(iy) = p.window.position(0, oy, ky, p.input.height) else { continue };
                let input_row = input.row(batch * p.input.height + iy);
                for kx in 0..kernel_w {
                    let Some(ix) = p.window.position(1, ox, kx, p.input.width) else { continue };
                    let x = &input_row[ix * channels + first_channel..][..group_inputs];
                    let w = &p.weights[o * taps + (ky * kernel_w + kx) * group_inputs..][..group_inputs];
                    for (&x, &w) in x.iter().zip(w) {
                        accumulator += i64::from(i32::from(x) * i32::from(w));
                    }
                }
            }
            output.row_mut(row)[ox * outputs + o] = p.range.requantize(accumulator, p.multipliers.get(o));
        }
    }
    Ok(())
}
