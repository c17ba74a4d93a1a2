//! `y[oy,ox,o] = requantize(bias[o] + Σ (x[oy·s + ky·d - p, ox·s + kx·d - p, c] - zx) · w[o,ky,kx,c])`, over the taps
//! inside the input; `c` runs over the channels of the output channel's group.

use super::ensure;
use crate::{Conv2d, KernelResult, LengthError, Rows, RowsMut};

/// Computes output row `row` (batch entry times height plus y).
pub fn run(p: &Conv2d<'_>, input: Rows<'_>, output: &mut RowsMut<'_>, row: usize) -> KernelResult {
    ensure(p.weights.len() == weights(p)?)?;
    output_row(p, input, output, row, |at, x| {
        let products = x.iter().zip(&p.weights[at..]);
        products.map(|(&x, &w)| (i32::from(x) - p.input_zero_point) * i32::from(w)).sum()
    })
}

/// Returns how many weights the parameters ask for.
pub(super) fn weights(p: &Conv2d<'_>) -> Result<usize, LengthError> {
    let (channels, outputs) = (p.input.channels, p.output.channels);
    ensure(p.groups > 0 && channels.is_multiple_of(p.groups) && outputs.is_multiple_of(p.groups))?;
    Ok(outputs * p.window.kernel[0] * p.window.kernel[1] * (channels / p.groups))
}

/// Computes an output row; `dot(at, x)` is the sum of products of `x` less its zero point with the weights from `at` on.
#[inline]
pub(super) fn output_row(
    p: &Conv2d<'_>,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    row: usize,
    dot: impl Fn(usize, &[i8]) -> i32,
) -> KernelResult {
    let [kernel_h, kernel_w] = p.window.kernel;
    let (channels, outputs) = (p.input.channels, p.output.channels);
    let (group_inputs, group_outputs) = (channels / p.groups, outputs / p.groups);
    let taps = kernel_h * kernel_w * group_inputs;
    ensure(input.row_len() == p.input.row_len() && output.row_len() == p.output.row_len() && p.output.height > 0)?;
    ensure(p.bias.len() == outputs && p.multipliers.covers(outputs))?;
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
                    accumulator += dot(o * taps + (ky * kernel_w + kx) * group_inputs, x);
                }
            }
            output.row_mut(row)[ox * outputs + o] = p.range.requantize(accumulator, p.multipliers.get(o)) as i8;
        }
    }
    Ok(())
}
