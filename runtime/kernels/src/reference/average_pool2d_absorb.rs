//! `average_pool2d` of one output row whose input rows come one after the other: the same sums in another order.

use core::ops::Range;

use super::average_pool2d::mean;
use super::ensure;
use crate::{AveragePool2d, KernelResult, Rows};

/// Adds input rows `rows` to `sums`, one for each column and channel of the output; row 0 begins anew, the last one writes
/// the output.
pub fn run(
    p: &AveragePool2d<'_>,
    input: Rows<'_>,
    rows: Range<usize>,
    sums: &mut [i32],
    output: &mut [i8],
) -> KernelResult {
    let channels = p.input.channels;
    let [kernel_h, kernel_w] = p.window.kernel;
    ensure(input.row_len() == p.input.row_len() && p.output.height == 1 && output.len() == p.output.row_len())?;
    ensure(sums.len() >= output.len() && p.output.channels == channels && rows.end <= p.input.height)?;
    for row in rows {
        if row == 0 {
            sums.fill(0);
        }
        // The window's rows begin `pad` above the image.
        if row + p.window.pad[0] < kernel_h {
            let input_row = input.row(row);
            for ox in 0..p.output.width {
                for kx in 0..kernel_w {
                    let Some(ix) = p.window.position(1, ox, kx, p.input.width) else { continue };
                    for c in 0..channels {
                        sums[ox * channels + c] += i32::from(input_row[ix * channels + c]);
                    }
                }
            }
        }
        if row + 1 == p.input.height {
            let inside = |axis, output, length| {
                (0..p.window.kernel[axis]).filter(|&tap| p.window.position(axis, output, tap, length).is_some()).count()
            };
            for ox in 0..p.output.width {
                let taps = inside(0, 0, p.input.height) * inside(1, ox, p.input.width);
                for at in ox * channels..(ox + 1) * channels {
                    output[at] = mean(p, sums[at], taps)? as i8;
                }
            }
        }
    }
    Ok(())
}
