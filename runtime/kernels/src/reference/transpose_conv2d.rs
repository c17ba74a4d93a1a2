//! `y[oy,ox,o] = requantize(bias[o] + Σ (x[iy,ix,c] - zx) · w[o,ky,kx,c])` over the input pixels and taps with
//! `iy·s - p + ky·d = oy`, columns likewise; `c` runs over the channels of the output channel's group.

use super::{conv2d, ensure};
use crate::{Conv2d, Image, KernelResult, Rows, RowsMut, Window};

/// Computes output row `row` (batch entry times height plus y) from the input pixels that meet it.
pub fn run(p: &Conv2d<'_>, input: Rows<'_>, output: &mut RowsMut<'_>, row: usize) -> KernelResult {
    ensure(p.weights.len() == conv2d::weights(p)?)?;
    ensure(p.bias.len() == p.output.channels && p.multipliers.covers(p.output.channels))?;
    let add = |accumulator: i32, x: &[i8], at: usize| {
        let products = x.iter().zip(&p.weights[at..]);
        accumulator + products.map(|(&x, &w)| (i32::from(x) - p.input_zero_point) * i32::from(w)).sum::<i32>()
    };
    let finish = |accumulator, o| p.range.requantize(accumulator, p.multipliers.get(o)) as i8;
    output_row(&p.window, [p.input, p.output], p.groups, input, output, row, |o| p.bias[o], add, finish)
}

/// Computes an output row. `start(o)` begins the sum of an output of channel `o`; `add(sum, x, at)` adds the products of
/// `x` with the weights from `at` on; `finish(sum, o)` is the output.
#[inline]
#[expect(clippy::too_many_arguments, reason = "what parameters of two types have in common, and three functions")]
pub(super) fn output_row<T: Copy, A>(
    window: &Window,
    [from, to]: [Image; 2],
    groups: usize,
    input: Rows<'_, T>,
    output: &mut RowsMut<'_, T>,
    row: usize,
    start: impl Fn(usize) -> A,
    add: impl Fn(A, &[T], usize) -> A,
    finish: impl Fn(A, usize) -> T,
) -> KernelResult {
    let [kernel_h, kernel_w] = window.kernel;
    ensure(groups > 0 && to.height > 0 && !window.stride.contains(&0))?;
    ensure(input.row_len() == from.row_len() && output.row_len() == to.row_len())?;
    let (group_inputs, group_outputs) = (from.channels / groups, to.channels / groups);
    let taps = kernel_h * kernel_w * group_inputs;
    let (batch, oy) = (row / to.height, row % to.height);
    for ox in 0..to.width {
        for o in 0..to.channels {
            let first_channel = o / group_outputs * group_inputs;
            let mut sum = start(o);
            for ky in 0..kernel_h {
                let Some(iy) = window.transposed_position(0, oy, ky, from.height) else { continue };
                let input_row = input.row(batch * from.height + iy);
                for kx in 0..kernel_w {
                    let Some(ix) = window.transposed_position(1, ox, kx, from.width) else { continue };
                    let x = &input_row[ix * from.channels + first_channel..][..group_inputs];
                    sum = add(sum, x, o * taps + (ky * kernel_w + kx) * group_inputs);
                }
            }
            output.row_mut(row)[ox * to.channels + o] = finish(sum, o);
        }
    }
    Ok(())
}
