//! Average pooling, four channels at a time in the halves of two words.

use core::arch::asm;
use core::ops::Range;

use tanbo_quant::Rounding;

use super::ensure;
use crate::{AveragePool2d, KernelResult, Rows, RowsMut, reference};

/// Most taps whose sum fits 16 bits.
const MOST_TAPS: usize = 255;

/// Computes output rows.
pub fn run(p: &AveragePool2d<'_>, input: Rows<'_>, output: &mut RowsMut<'_>, rows: Range<usize>) -> KernelResult {
    let [kernel_height, kernel_width] = p.window.kernel;
    let channels = p.input.channels;
    let taps = kernel_height.saturating_mul(kernel_width);
    if channels < 4 || taps > MOST_TAPS || p.window.dilation != [1, 1] {
        return rows.into_iter().try_for_each(|row| reference::average_pool2d::run(p, input, output, row));
    }
    ensure(input.row_len() == p.input.row_len() && output.row_len() == p.output.row_len() && p.output.height > 0)?;
    ensure(p.range.rounding == Rounding::Tflite || p.divisors.shifts.len() == taps)?;
    ensure(p.divisors.mantissas.len() == p.divisors.shifts.len() && p.output.channels == channels)?;
    for row in rows {
        let (image, y) = (row / p.output.height, row % p.output.height);
        let vertical = inside(p, 0, y, p.input.height);
        for (x, pixel) in output.row_mut(row).chunks_exact_mut(channels).enumerate() {
            let horizontal = inside(p, 1, x, p.input.width);
            let count = vertical.len() * horizontal.len();
            ensure(count > 0)?;
            for group in (0..channels).step_by(4) {
                let first = group.min(channels - 4);
                let mut sums = [0; 2];
                for y in vertical.clone() {
                    let line = input.row(image * p.input.height + y);
                    let Some(taps) = line.get(horizontal.start * channels + first..) else { continue };
                    // SAFETY: from `taps` on the row has `horizontal.len()` pixels, and four channels of the last.
                    sums = unsafe { add(taps.as_ptr(), channels, horizontal.len(), sums) };
                }
                let [even, odd] = sums.map(|sum| [i32::from(sum as i16), sum as i32 >> 16]);
                let sums = [even[0], odd[0], even[1], odd[1]];
                for (y, sum) in pixel[first..first + 4].iter_mut().zip(sums) {
                    *y = average(p, sum, count);
                }
            }
        }
    }
    Ok(())
}

/// Returns the positions along `axis` under the window of output `output` that lie inside `0..length`.
fn inside(p: &AveragePool2d<'_>, axis: usize, output: usize, length: usize) -> Range<usize> {
    let first = output * p.window.stride[axis];
    let (start, end) = (first.saturating_sub(p.window.pad[axis]), first + p.window.kernel[axis]);
    start..end.saturating_sub(p.window.pad[axis]).clamp(start, length.max(start))
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

/// Returns `sums`, channels 0 and 2, then 1 and 3, in halves, with `count` taps added: 6 instructions for four values.
///
/// # Safety
/// `taps` must be valid for reading four values at each of `count` multiples of `step`; `count` is not 0.
unsafe fn add(taps: *const i8, step: usize, count: usize, [mut even, mut odd]: [u32; 2]) -> [u32; 2] {
    // SAFETY: reads what the caller promises.
    unsafe {
        asm!(
            super::isa!(),
            "2:",
            "ldr {four}, [{taps}]",
            "add {taps}, {step}",
            "sxtab16 {even}, {even}, {four}",
            "sxtab16 {odd}, {odd}, {four}, ror #8",
            "subs {count}, #1",
            "bne 2b",
            four = out(reg) _,
            taps = inout(reg) taps => _,
            step = in(reg) step,
            even = inout(reg) even,
            odd = inout(reg) odd,
            count = inout(reg) count => _,
            options(readonly, nostack)
        );
    }
    [even, odd]
}
