//! Average pooling, four channels at a time.

use core::ops::Range;

use tanbo_quant::Rounding;

use super::{ensure, lanes};
use crate::{AveragePool2d, KernelResult, Rows, RowsMut, reference};

/// Computes output rows.
pub fn run(p: &AveragePool2d<'_>, input: Rows<'_>, output: &mut RowsMut<'_>, mut rows: Range<usize>) -> KernelResult {
    let channels = p.input.channels;
    let [kernel_height, kernel_width] = p.window.kernel;
    if channels < 4 || p.window.dilation != [1, 1] {
        return rows.try_for_each(|row| reference::average_pool2d::run(p, input, output, row));
    }
    ensure(input.row_len() == p.input.row_len() && output.row_len() == p.output.row_len() && p.output.height > 0)?;
    ensure(p.range.rounding == Rounding::Tflite || p.divisors.shifts.len() == kernel_height * kernel_width)?;
    ensure(p.divisors.mantissas.len() == p.divisors.shifts.len() && p.output.channels == channels)?;
    for row in rows {
        let (image, y) = (row / p.output.height, row % p.output.height);
        let vertical = lanes::inside(&p.window, 0, y, p.input.height);
        for (x, pixel) in output.row_mut(row).chunks_exact_mut(channels).enumerate() {
            let horizontal = lanes::inside(&p.window, 1, x, p.input.width);
            let count = vertical.len() * horizontal.len();
            ensure(count > 0)?;
            for group in (0..channels).step_by(4) {
                let first = group.min(channels - 4);
                let mut sums = [0; 4];
                let lines = image * p.input.height + vertical.start..image * p.input.height + vertical.end;
                if let (true, Some(run)) = (horizontal.len() == p.input.width, input.contiguous(lines)) {
                    // SAFETY: the run has `count` pixels of `channels` values.
                    unsafe { lanes::add(run[first..].as_ptr(), channels, count, &mut sums) };
                } else {
                    for y in vertical.clone() {
                        let line = input.row(image * p.input.height + y);
                        let Some(taps) = line.get(horizontal.start * channels + first..) else { continue };
                        // SAFETY: from `taps` on the row has `horizontal.len()` pixels, and four channels of the last.
                        unsafe { lanes::add(taps.as_ptr(), channels, horizontal.len(), &mut sums) };
                    }
                }
                for (y, sum) in pixel[first..first + 4].iter_mut().zip(sums) {
                    *y = average(p, sum, count);
                }
            }
        }
    }
    Ok(())
}

/// Adds input rows to `sums`; row 0 begins anew, the last one writes the one output row.
pub fn absorb(
    p: &AveragePool2d<'_>,
    input: Rows<'_>,
    rows: Range<usize>,
    sums: &mut [i32],
    output: &mut [i8],
) -> KernelResult {
    let channels = p.input.channels;
    let [kernel_height, kernel_width] = p.window.kernel;
    if channels < 4 || p.window.dilation != [1, 1] {
        return reference::average_pool2d_absorb::run(p, input, rows, sums, output);
    }
    ensure(input.row_len() == p.input.row_len() && p.output.height == 1 && output.len() == p.output.row_len())?;
    ensure(sums.len() >= output.len() && p.output.channels == channels && rows.end <= p.input.height)?;
    ensure(p.range.rounding == Rounding::Tflite || p.divisors.shifts.len() == kernel_height * kernel_width)?;
    ensure(p.divisors.mantissas.len() == p.divisors.shifts.len())?;
    let vertical = lanes::inside(&p.window, 0, 0, p.input.height);
    let across = lanes::inside(&p.window, 1, 0, p.input.width);
    // Under a window as wide as the rows, rows that follow one another are one row of more pixels.
    let together = p.output.width == 1 && across.len() == p.input.width;
    let together = together && vertical.start <= rows.start && rows.end <= vertical.end;
    if let (true, Some(pixels)) = (together, input.contiguous(rows.clone())) {
        if rows.start == 0 {
            sums.fill(0);
        }
        add(pixels, channels, rows.len() * p.input.width, sums);
        return if rows.end == p.input.height {
            finish(p, sums, output, vertical.len() * across.len())
        } else {
            Ok(())
        };
    }
    for row in rows {
        if row == 0 {
            sums.fill(0);
        }
        let last = row + 1 == p.input.height;
        for (x, (pixel, sums)) in output.chunks_exact_mut(channels).zip(sums.chunks_exact_mut(channels)).enumerate() {
            let horizontal = lanes::inside(&p.window, 1, x, p.input.width);
            if let (true, Some(taps)) = (vertical.contains(&row), input.row(row).get(horizontal.start * channels..)) {
                add(taps, channels, horizontal.len(), sums);
            }
            if last {
                finish(p, sums, pixel, vertical.len() * horizontal.len())?;
            }
        }
    }
    Ok(())
}

/// Adds the first `count` pixels of `pixels` to the sums of their channels, of which there are four and more.
fn add(pixels: &[i8], channels: usize, count: usize, sums: &mut [i32]) {
    let groups = channels / 4;
    let (Some(pixels), Some(sums)) = (pixels.get(..count * channels), sums.get_mut(..channels)) else { return };
    // SAFETY: `count` pixels of `channels` values, as many as there are sums.
    unsafe { lanes::add_groups(pixels.as_ptr(), channels, count, groups, sums.as_mut_ptr()) };
    if 4 * groups < channels {
        for pixel in pixels.chunks_exact(channels) {
            for (sum, &x) in sums.iter_mut().zip(pixel).skip(4 * groups) {
                *sum += i32::from(x);
            }
        }
    }
}

/// Writes the averages of `count` values each.
fn finish(p: &AveragePool2d<'_>, sums: &[i32], pixel: &mut [i8], count: usize) -> KernelResult {
    ensure(count > 0)?;
    for (y, &sum) in pixel.iter_mut().zip(sums) {
        *y = average(p, sum, count);
    }
    Ok(())
}

fn average(p: &AveragePool2d<'_>, sum: i32, count: usize) -> i8 {
    let n = count as i32;
    match p.range.rounding {
        Rounding::Tflite => {
            let mean = if sum > 0 { (sum + n / 2) / n } else { (sum - n / 2) / n };
            mean.clamp(p.range.low, p.range.high) as i8
        }
        Rounding::Single => p.range.average(sum - p.input_zero_point * n, p.divisors.get(count - 1)) as i8,
    }
}
