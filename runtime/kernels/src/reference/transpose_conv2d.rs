//! `y[oy,ox,o] = requantize(bias[o] + Σ (x[iy,ix,c] - zx) · w[o,ky,kx,c])` over the input pixels and taps with
//! `iy·s - p + ky·d = oy`, columns likewise; `c` runs over the channels of the output channel's group.

use super::{conv2d, ensure};
use crate::{Conv2d, KernelResult, Rows, RowsMut};

/// Computes output row `row` (batch entry times height plus y) from the input pixels that meet it.
pub fn run(p: &Conv2d<'_>, input: Rows<'_>, output: &mut RowsMut<'_>, row: usize) -> KernelResult {
    ensure(p.weights.len() == conv2d::weights(p)?)?;
    let [kernel_h, kernel_w] = p.window.kernel;
    let (channels, outputs) = (p.input.channels, p.output.channels);
    let (group_inputs, group_outputs) = (channels / p.groups, outputs / p.groups);
    let taps = kernel_h * kernel_w * group_inputs;
    ensure(input.row_len() == p.input.row_len() && output.row_len() == p.output.row_len() && p.output.height > 0)?;
    ensure(p.bias.len() == outputs && p.multipliers.covers(outputs) && !p.window.stride.contains(&0))?;
    let (batch, oy) = (row / p.output.height, row % p.output.height);
    for ox in 0..p.output.width {
        for o in 0..outputs {
            let first_channel = o / group_outputs * group_inputs;
            let mut accumulator = p.bias[o];
            for ky in 0..kernel_h {
                let Some(iy) = p.window.transposed_position(0, oy, ky, p.input.height) else { continue };
                let input_row = input.row(batch * p.input.height + iy);
                for kx in 0..kernel_w {
                    let Some(ix) = p.window.transposed_position(1, ox, kx, p.input.width) else { continue };
                    let x = &input_row[ix * channels + first_channel..][..group_inputs];
                    let w = &p.weights[o * taps + (ky * kernel_w + kx) * group_inputs..];
                    for (&x, &w) in x.iter().zip(w) {
                        accumulator += (i32::from(x) - p.input_zero_point) * i32::from(w);
                    }
                }
            }
            output.row_mut(row)[ox * outputs + o] = p.range.requantize(accumulator, p.multipliers.get(o)) as i8;
        }
    }
    Ok(())
}
