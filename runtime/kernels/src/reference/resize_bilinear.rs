//! `t = Σ w_row · w_column · x` over the four neighbours; with `U` the product of the units, TensorFlow Lite rounding:
//! `y = clamp((t ± U div 2) div U)`, `div` truncating; single rounding: `y = average(t - zx · U; m)`.

use tanbo_quant::Rounding;

use super::ensure;
use crate::{Interpolation, KernelResult, LengthError, ResizeBilinear};

/// Computes every output.
pub fn run(p: &ResizeBilinear<'_>, input: &[i8], output: &mut [i8]) -> KernelResult {
    let [rows, columns] = &p.axes;
    let (x_len, y_len) = (p.input.height * p.input.row_len(), p.output.height * p.output.row_len());
    let channels = p.input.channels;
    ensure(x_len > 0 && y_len > 0 && channels == p.output.channels)?;
    ensure(input.len().is_multiple_of(x_len) && input.len() / x_len * y_len == output.len())?;
    ensure(fits(rows, p.input.height, p.output.height) && fits(columns, p.input.width, p.output.width))?;
    let unit = rows.unit.checked_mul(columns.unit).filter(|&unit| unit > 0).ok_or(LengthError)?;
    for (image, out) in input.chunks_exact(x_len).zip(output.chunks_exact_mut(y_len)) {
        for (oy, out) in out.chunks_exact_mut(p.output.row_len()).enumerate() {
            let row = |at: usize| &image[at * p.input.row_len()..][..p.input.row_len()];
            let at = rows.positions[oy] as usize;
            let (above, below) = (row(at), row((at + 1).min(p.input.height - 1)));
            let w = rows.weights[oy];
            for (ox, out) in out.chunks_exact_mut(channels).enumerate() {
                let at = columns.positions[ox] as usize;
                let (left, right) = (at * channels, (at + 1).min(p.input.width - 1) * channels);
                let v = columns.weights[ox];
                for (c, y) in out.iter_mut().enumerate() {
                    let between =
                        |row: &[i8]| (columns.unit - v) * i32::from(row[left + c]) + v * i32::from(row[right + c]);
                    let t = (rows.unit - w) * between(above) + w * between(below);
                    *y = finish(p, t, unit) as i8;
                }
            }
        }
    }
    Ok(())
}

fn fits(axis: &Interpolation<'_>, inputs: usize, outputs: usize) -> bool {
    axis.positions.len() == outputs
        && axis.weights.len() == outputs
        && axis.positions.iter().all(|&p| (p as u32 as usize) < inputs)
}

fn finish(p: &ResizeBilinear<'_>, t: i32, unit: i32) -> i32 {
    match p.range.rounding {
        Rounding::Tflite => {
            let half = if t > 0 { unit / 2 } else { -(unit / 2) };
            ((t + half) / unit).clamp(p.range.low, p.range.high)
        }
        Rounding::Single => p.range.average(t - p.input_zero_point * unit, p.multiplier),
    }
}
