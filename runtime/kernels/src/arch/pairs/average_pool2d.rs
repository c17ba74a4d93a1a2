//! Average pooling: the taps inside the input are found once per pixel, not per channel.

use core::ops::Range;

use tanbo_quant::Rounding;

use crate::{AveragePool2d, KernelResult, LengthError, Rows, RowsMut, reference};

/// Computes output rows.
pub(crate) fn average_pool2d(
    p: &AveragePool2d<'_>,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
) -> KernelResult {
    let fits = input.row_len() == p.input.row_len()
        && output.row_len() == p.output.row_len()
        && p.output.channels == p.input.channels
        && p.output.height > 0
        && p.input.channels > 0;
    if !fits || p.range.rounding != Rounding::Tflite || p.window.dilation != [1, 1] {
        return rows.into_iter().try_for_each(|row| reference::average_pool2d::run(p, input, output, row));
    }
    let inside = |axis: usize, at: usize, length: usize| {
        let start = (at * p.window.stride[axis]) as isize - p.window.pad[axis] as isize;
        let end = (start + p.window.kernel[axis] as isize).clamp(0, length as isize) as usize;
        (start.max(0) as usize).min(end)..end
    };
    let channels = p.input.channels;
    for row in rows {
        let (batch, oy) = (row / p.output.height, row % p.output.height);
        let lines = inside(0, oy, p.input.height);
        let first = batch * p.input.height;
        let run = input.contiguous(first + lines.start..first + lines.end);
        for (ox, y) in output.row_mut(row).chunks_exact_mut(channels).enumerate() {
            let columns = inside(1, ox, p.input.width);
            let taps = (lines.len() * columns.len()) as i32;
            if taps == 0 {
                return Err(LengthError);
            }
            for (c, y) in y.iter_mut().enumerate() {
                let mut sum = 0i32;
                for line in 0..lines.len() {
                    let x = match run {
                        Some(run) => run.get(line * p.input.row_len()..).unwrap_or_default(),
                        None => input.row(first + lines.start + line),
                    };
                    let x = x.get(columns.start * channels + c..columns.end * channels).unwrap_or_default();
                    sum += x.iter().step_by(channels).map(|&x| i32::from(x)).sum::<i32>();
                }
                let half = if sum > 0 { taps / 2 } else { -(taps / 2) };
                *y = ((sum + half) / taps).min(p.range.high).max(p.range.low) as i8;
            }
        }
    }
    Ok(())
}
