//! The mean of the `n` taps inside the input.
//!
//! TensorFlow Lite rounding: `clamp((Σx ± n/2) / n)`, division towards zero, `+` only if `Σx > 0`; input and output share
//! scale and zero point. Single rounding: `average(Σ (x - zx); divisors[n - 1])`, an exact half to the even neighbour.

use tanbo_quant::Rounding;

use super::{Activation, ensure};
use crate::{AveragePool2d, KernelResult, LengthError, Rows, RowsMut};

/// Computes output row `row` (batch entry times height plus y).
pub fn run(p: &AveragePool2d<'_>, input: Rows<'_>, output: &mut RowsMut<'_>, row: usize) -> KernelResult {
    average(p, input, output, row)
}

pub(super) fn average<T: Activation>(
    p: &AveragePool2d<'_>,
    input: Rows<'_, T>,
    output: &mut RowsMut<'_, T>,
    row: usize,
) -> KernelResult {
    let [kernel_h, kernel_w] = p.window.kernel;
    let channels = p.input.channels;
    ensure(input.row_len() == p.input.row_len() && output.row_len() == p.output.row_len() && p.output.height > 0)?;
    ensure(p.range.rounding == Rounding::Tflite || p.divisors.shifts.len() == kernel_h * kernel_w)?;
    ensure(p.divisors.mantissas.len() == p.divisors.shifts.len() && p.output.channels == channels)?;
    let (batch, oy) = (row / p.output.height, row % p.output.height);
    for ox in 0..p.output.width {
        for c in 0..channels {
            let (mut sum, mut n) = (0i32, 0usize);
            for ky in 0..kernel_h {
                let Some(iy) = p.window.position(0, oy, ky, p.input.height) else { continue };
                let input_row = input.row(batch * p.input.height + iy);
                for kx in 0..kernel_w {
                    let Some(ix) = p.window.position(1, ox, kx, p.input.width) else { continue };
                    sum += input_row[ix * channels + c].into();
                    n += 1;
                }
            }
            let y = mean(p, sum, n)?;
            output.row_mut(row)[ox * channels + c] = T::bounded(y);
        }
    }
    Ok(())
}

/// Returns the mean of `n` taps whose sum is `sum`.
pub(super) fn mean(p: &AveragePool2d<'_>, sum: i32, n: usize) -> Result<i32, LengthError> {
    ensure(n > 0)?;
    let taps = n as i32;
    Ok(match p.range.rounding {
        Rounding::Tflite => {
            let mean = if sum > 0 { (sum + taps / 2) / taps } else { (sum - taps / 2) / taps };
            mean.clamp(p.range.low, p.range.high)
        }
        Rounding::Single => {
            ensure(n <= p.divisors.shifts.len())?;
            p.range.average(sum - p.input_zero_point * taps, p.divisors.get(n - 1))
        }
    })
}
