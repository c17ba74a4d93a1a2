//! `y = clamp(max x)` over the taps inside the input.

use super::{Activation, ensure};
use crate::{KernelResult, MaxPool2d, Rows, RowsMut};

/// Computes output row `row` (batch entry times height plus y).
pub fn run(p: &MaxPool2d, input: Rows<'_>, output: &mut RowsMut<'_>, row: usize) -> KernelResult {
    greatest(p, input, output, row)
}

pub(super) fn greatest<T: Activation>(
    p: &MaxPool2d,
    input: Rows<'_, T>,
    output: &mut RowsMut<'_, T>,
    row: usize,
) -> KernelResult {
    let [kernel_h, kernel_w] = p.window.kernel;
    let channels = p.input.channels;
    ensure(input.row_len() == p.input.row_len() && output.row_len() == p.output.row_len() && p.output.height > 0)?;
    ensure(p.output.channels == channels)?;
    let (batch, oy) = (row / p.output.height, row % p.output.height);
    for ox in 0..p.output.width {
        for c in 0..channels {
            let mut greatest = T::LEAST;
            for ky in 0..kernel_h {
                let Some(iy) = p.window.position(0, oy, ky, p.input.height) else { continue };
                let input_row = input.row(batch * p.input.height + iy);
                for kx in 0..kernel_w {
                    let Some(ix) = p.window.position(1, ox, kx, p.input.width) else { continue };
                    greatest = greatest.max(input_row[ix * channels + c].into());
                }
            }
            let [low, high] = p.bounds;
            output.row_mut(row)[ox * channels + c] = T::bounded(greatest.max(low).min(high));
        }
    }
    Ok(())
}
