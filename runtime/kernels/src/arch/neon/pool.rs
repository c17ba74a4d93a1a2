//! Pooling and means: lanes are channels, 16 of them; the last ones are computed again with those before them.
//!
//! Sums of up to 255 taps are int16 (SADDW), those of more int32: 2 instructions and a load for 16 values of a tap.
//! Divisions are done one by one, by the reference's own code.

use core::arch::aarch64::*;
use core::ops::Range;

use tanbo_quant::Rounding;

use crate::{AveragePool2d, Image, KernelResult, LengthError, MaxPool2d, Mean, Rows, RowsMut, Window, reference};

/// Lanes, and with that the fewest channels.
const LANES: usize = 16;
/// Most int8 values whose sum is surely an int16.
const LONGEST_LINE: usize = 255;

/// Computes output rows of an average pooling.
pub fn average(p: &AveragePool2d<'_>, input: Rows<'_>, output: &mut RowsMut<'_>, rows: Range<usize>) -> KernelResult {
    let channels = p.input.channels;
    let taps = p.window.kernel[0].saturating_mul(p.window.kernel[1]);
    let eligible = is_eligible(&p.window, &p.input, &p.output, &input, output)
        && p.divisors.mantissas.len() == p.divisors.shifts.len()
        && (p.range.rounding == Rounding::Tflite || p.divisors.shifts.len() == taps);
    if !eligible {
        return rows.into_iter().try_for_each(|row| reference::average_pool2d::run(p, input, output, row));
    }
    for row in rows {
        for ox in 0..p.output.width {
            let taps = Taps::new(&p.window, &p.input, row, p.output.height, ox);
            let n = taps.lines.len() * taps.columns.len();
            if n == 0 {
                return Err(LengthError);
            }
            for first in firsts(channels) {
                let sums = taps.sums(&input, p.input.width, channels, first);
                let y = output.row_mut(row).get_mut(ox * channels + first..).unwrap_or_default();
                for (&sum, y) in sums.iter().zip(y) {
                    *y = match p.range.rounding {
                        Rounding::Tflite => {
                            let n = n as i32;
                            let mean = if sum > 0 { (sum + n / 2) / n } else { (sum - n / 2) / n };
                            mean.clamp(p.range.low, p.range.high) as i8
                        }
                        Rounding::Single => {
                            p.range.average(sum - p.input_zero_point * n as i32, p.divisors.get(n - 1)) as i8
                        }
                    };
                }
            }
        }
    }
    Ok(())
}

/// Computes output rows of a maximum pooling.
pub fn max(p: &MaxPool2d, input: Rows<'_>, output: &mut RowsMut<'_>, rows: Range<usize>) -> KernelResult {
    let channels = p.input.channels;
    let bounds = p.bounds.map(|bound| i8::try_from(bound).ok());
    let [Some(low), Some(high)] = bounds else {
        return rows.into_iter().try_for_each(|row| reference::max_pool2d::run(p, input, output, row));
    };
    if !is_eligible(&p.window, &p.input, &p.output, &input, output) {
        return rows.into_iter().try_for_each(|row| reference::max_pool2d::run(p, input, output, row));
    }
    for row in rows {
        for ox in 0..p.output.width {
            let taps = Taps::new(&p.window, &p.input, row, p.output.height, ox);
            for first in firsts(channels) {
                let greatest = taps.greatest(&input, channels, first);
                // SAFETY: NEON is part of every AArch64 target of this crate; the slice is 16 bytes long.
                unsafe {
                    let greatest = vminq_s8(vmaxq_s8(greatest, vdupq_n_s8(low)), vdupq_n_s8(high));
                    let at = ox * channels + first;
                    let y = output.row_mut(row).get_mut(at..at + LANES).ok_or(LengthError)?;
                    vst1q_s8(y.as_mut_ptr(), greatest);
                }
            }
        }
    }
    Ok(())
}

/// Averages over the axes before the last one.
pub fn mean(p: &Mean<'_>, input: &[i8], output: &mut [i8]) -> KernelResult {
    let channels = p.shape.last().map_or(0, |&axis| axis as usize);
    let (axes, all) = (p.axes, (1u32 << p.shape.len().min(31)) - 1);
    // Reduced are all but the last and those of length one.
    let reduced = (0..p.shape.len().saturating_sub(1)).all(|axis| axes >> axis & 1 == 1 || p.shape[axis] == 1);
    let last_kept = p.shape.len() <= 6 && axes & all & (1 << (p.shape.len().max(1) - 1)) == 0;
    let eligible = reduced && last_kept && channels >= LANES && output.len() == channels;
    if !eligible || !input.len().is_multiple_of(channels) || input.len() / channels > 1 << 22 {
        return reference::mean::run(p, input, output);
    }
    let count = input.len() / channels;
    let elements = p.shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis as usize));
    if elements != Some(input.len()) {
        return Err(LengthError);
    }
    for first in firsts(channels) {
        let mut sums = Sums::zero();
        sums.add(input, channels, first);
        for (&sum, y) in sums.get().iter().zip(output.get_mut(first..).unwrap_or_default()) {
            *y = p.range.average(sum - p.input_zero_point * count as i32, p.multiplier) as i8;
        }
    }
    Ok(())
}

/// Returns the first channels of runs of 16 that cover `channels`, which are not fewer.
fn firsts(channels: usize) -> impl Iterator<Item = usize> {
    (0..channels).step_by(LANES).map(move |first| first.min(channels - LANES))
}

/// Returns whether lengths are right and lanes can be used.
fn is_eligible(window: &Window, input: &Image, output: &Image, x: &Rows<'_>, y: &RowsMut<'_>) -> bool {
    x.row_len() == input.row_len()
        && y.row_len() == output.row_len()
        && output.height > 0
        && output.channels == input.channels
        && input.channels >= LANES
        && window.dilation == [1, 1]
}

/// The taps inside the input of one output.
struct Taps {
    lines: Range<usize>,
    columns: Range<usize>,
}

impl Taps {
    fn new(window: &Window, input: &Image, row: usize, height: usize, ox: usize) -> Self {
        let range = |axis: usize, output: usize, len: usize| {
            let first = output * window.stride[axis];
            let end = (first + window.kernel[axis]).saturating_sub(window.pad[axis]).min(len);
            first.saturating_sub(window.pad[axis]).min(end)..end
        };
        let (batch, oy) = (row / height, row % height);
        let lines = range(0, oy, input.height);
        let first = batch * input.height;
        Self { lines: lines.start + first..lines.end + first, columns: range(1, ox, input.width) }
    }

    /// Returns 16 channels of each tap of a line.
    fn line<'a>(
        &self,
        input: &Rows<'a>,
        line: usize,
        channels: usize,
        first: usize,
    ) -> impl Iterator<Item = &'a [i8; LANES]> {
        let row = input.row(line).get(self.columns.start * channels + first..).unwrap_or_default();
        row.chunks(channels).take(self.columns.len()).filter_map(<[i8]>::first_chunk)
    }

    fn sums(&self, input: &Rows<'_>, width: usize, channels: usize, first: usize) -> [i32; LANES] {
        let mut sums = Sums::zero();
        // Whole rows that follow one another are one line.
        if self.columns == (0..width)
            && let Some(all) = input.contiguous(self.lines.clone())
        {
            sums.add(all, channels, first);
            return sums.get();
        }
        let columns = self.columns.start * channels..self.columns.end * channels;
        for line in self.lines.clone() {
            sums.add(input.row(line).get(columns.clone()).unwrap_or_default(), channels, first);
        }
        sums.get()
    }

    fn greatest(&self, input: &Rows<'_>, channels: usize, first: usize) -> int8x16_t {
        // SAFETY: NEON is part of every AArch64 target of this crate; arrays are 16 bytes long.
        unsafe {
            let mut greatest = vdupq_n_s8(i8::MIN);
            for line in self.lines.clone() {
                for x in self.line(input, line, channels, first) {
                    greatest = vmaxq_s8(greatest, vld1q_s8(x.as_ptr()));
                }
            }
            greatest
        }
    }
}

/// Sums of 16 channels.
struct Sums([int32x4_t; 4]);

impl Sums {
    #[inline(always)]
    fn zero() -> Self {
        // SAFETY: NEON is part of every AArch64 target of this crate.
        Self([unsafe { vdupq_n_s32(0) }; 4])
    }

    /// Adds channels `first ..` of the pixels, which have `channels` of them, at least `first + 16`.
    #[inline(always)]
    fn add(&mut self, pixels: &[i8], channels: usize, first: usize) {
        for pixels in pixels.chunks(channels * LONGEST_LINE) {
            let mut x = pixels.as_ptr().wrapping_add(first);
            // SAFETY: 16 channels from `first` on are read of every whole pixel.
            unsafe {
                let (mut low, mut high) = (vdupq_n_s16(0), vdupq_n_s16(0));
                for _ in 0..pixels.len() / channels {
                    let values = vld1q_s8(x);
                    (low, high) = (vaddw_s8(low, vget_low_s8(values)), vaddw_high_s8(high, values));
                    x = x.wrapping_add(channels);
                }
                let [a, b, c, d] = self.0;
                self.0 = [
                    vaddw_s16(a, vget_low_s16(low)),
                    vaddw_high_s16(b, low),
                    vaddw_s16(c, vget_low_s16(high)),
                    vaddw_high_s16(d, high),
                ];
            }
        }
    }

    #[inline(always)]
    fn get(&self) -> [i32; LANES] {
        let mut sums = [0; LANES];
        for (vector, four) in self.0.iter().zip(sums.chunks_exact_mut(4)) {
            // SAFETY: as above; the chunk has four words.
            unsafe { vst1q_s32(four.as_mut_ptr(), *vector) };
        }
        sums
    }
}
