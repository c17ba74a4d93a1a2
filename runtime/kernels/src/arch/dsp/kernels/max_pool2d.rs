//! Maximum pooling, four channels at a time.

use core::ops::Range;

use super::{ensure, lanes};
use crate::{KernelResult, MaxPool2d, Rows, RowsMut, reference};

/// Computes output rows.
pub fn run(p: &MaxPool2d, input: Rows<'_>, output: &mut RowsMut<'_>, mut rows: Range<usize>) -> KernelResult {
    let channels = p.input.channels;
    if channels < 4 || p.window.dilation != [1, 1] {
        return rows.try_for_each(|row| reference::max_pool2d::run(p, input, output, row));
    }
    ensure(input.row_len() == p.input.row_len() && output.row_len() == p.output.row_len() && p.output.height > 0)?;
    ensure(p.output.channels == channels)?;
    let [low, high] = p.bounds;
    for row in rows {
        let (image, y) = (row / p.output.height, row % p.output.height);
        let vertical = lanes::inside(&p.window, 0, y, p.input.height);
        for (x, pixel) in output.row_mut(row).chunks_exact_mut(channels).enumerate() {
            let horizontal = lanes::inside(&p.window, 1, x, p.input.width);
            for group in (0..channels).step_by(4) {
                let first = group.min(channels - 4);
                let mut greatest = [i8::MIN; 4];
                for y in vertical.clone() {
                    let line = input.row(image * p.input.height + y);
                    let Some(taps) = line.get(horizontal.start * channels + first..) else { continue };
                    // SAFETY: from `taps` on the row has `horizontal.len()` pixels, and four channels of the last.
                    greatest = unsafe { lanes::greatest(taps.as_ptr(), channels, horizontal.len(), greatest) };
                }
                for (y, x) in pixel[first..first + 4].iter_mut().zip(greatest) {
                    *y = i32::from(x).max(low).min(high) as i8;
                }
            }
        }
    }
    Ok(())
}
