//! Pools: the channels of a window side by side.

use core::ops::Range;

use tanbo_quant::Rounding;

use crate::{AveragePool2d, Image, KernelResult, LengthError, MaxPool2d, Mean, Rows, RowsMut, Window, reference};

/// Parameters of `tanbo_mve_window_*`, in the order that elementwise.s reads.
#[repr(C)]
struct Taps<T> {
    first: *const i8,
    channels: usize,
    columns: usize,
    step: usize,
    rows: usize,
    row_step: usize,
    result: *mut T,
}

unsafe extern "C" {
    fn tanbo_mve_window_sum(params: *const Taps<i16>);
    fn tanbo_mve_absorb(sums: *mut i32, x: *const i8, channels: usize, pixels: usize);
    fn tanbo_mve_window_greatest(params: *const Taps<i8>);
}

/// Most taps whose sum fits 16 bits.
const MAX_TAPS: usize = 255;

/// Results of one vector, where vector loads and stores find them.
#[repr(align(16))]
struct Vector<T, const N: usize>([T; N]);

/// The part of a window that lies in the image.
struct Inside {
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Inside {
    fn new(window: &Window, input: &Image, row: usize, column: usize) -> Self {
        let range = |axis: usize, output: usize, len: usize| {
            let (start, pad) = (output * window.stride[axis], window.pad[axis]);
            start.saturating_sub(pad)..(start + window.kernel[axis]).saturating_sub(pad).min(len)
        };
        Self { rows: range(0, row, input.height), columns: range(1, column, input.width) }
    }

    /// Runs a kernel over `N` channels from `channel` on, over all rows at once where they follow one another.
    fn run<T, const N: usize>(
        &self,
        kernel: unsafe extern "C" fn(*const Taps<T>),
        input: &Rows<'_>,
        image: &Image,
        first_row: usize,
        channel: usize,
        result: &mut Vector<T, N>,
    ) -> KernelResult {
        let rows = first_row + self.rows.start..first_row + self.rows.end;
        let mut call = |values: &[i8], rows: usize| {
            let values = values.get(self.columns.start * image.channels + channel..).ok_or(LengthError)?;
            let params = Taps {
                first: values.as_ptr(),
                channels: (image.channels - channel).min(N),
                columns: self.columns.len(),
                step: image.channels,
                rows,
                row_step: image.row_len(),
                result: result.0.as_mut_ptr(),
            };
            // SAFETY: the window's rows and columns are not empty and lie in `values`, `rows` whole rows of the image; the
            // result is one vector.
            unsafe { kernel(&params) }
            Ok(())
        };
        if let Some(values) = input.contiguous(rows.clone()) {
            return call(values, rows.len());
        }
        for row in rows {
            let values = input.row(row);
            if values.len() != image.row_len() {
                return Err(LengthError);
            }
            call(values, 1)?;
        }
        Ok(())
    }
}

/// Returns whether the kernels know the window.
fn known(window: &Window, input: &Image, output: &Image, x: &Rows<'_>, y: &RowsMut<'_>) -> bool {
    x.row_len() == input.row_len()
        && y.row_len() == output.row_len()
        && input.channels == output.channels
        && output.height > 0
        && window.dilation == [1, 1]
}

/// Computes output rows `rows` of an average pooling.
#[inline(never)]
pub(super) fn average(
    p: &AveragePool2d<'_>,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
) -> KernelResult {
    let [kernel_h, kernel_w] = p.window.kernel;
    let few = kernel_h.checked_mul(kernel_w).is_some_and(|taps| taps <= MAX_TAPS);
    let divisors = p.range.rounding == Rounding::Tflite
        || p.divisors.shifts.len() == kernel_h * kernel_w && p.divisors.mantissas.len() == p.divisors.shifts.len();
    let fast = few && divisors && known(&p.window, &p.input, &p.output, &input, output);
    for row in rows {
        if !fast {
            reference::average_pool2d::run(p, input, output, row)?;
            continue;
        }
        let (batch, y) = (row / p.output.height, row % p.output.height);
        for column in 0..p.output.width {
            let inside = Inside::new(&p.window, &p.input, y, column);
            let count = (inside.rows.len() * inside.columns.len()) as i32;
            if count == 0 {
                return Err(LengthError);
            }
            for channel in (0..p.input.channels).step_by(8) {
                let mut sums = Vector([0i16; 8]);
                inside.run(tanbo_mve_window_sum, &input, &p.input, batch * p.input.height, channel, &mut sums)?;
                let out = output.row_mut(row).get_mut(column * p.input.channels + channel..).ok_or(LengthError)?;
                for (sum, y) in sums.0.iter().zip(out.iter_mut().take(p.input.channels - channel)) {
                    *y = rounded(p, i32::from(*sum), count);
                }
            }
        }
    }
    Ok(())
}

/// Returns the mean of `count` taps.
fn rounded(p: &AveragePool2d<'_>, sum: i32, count: i32) -> i8 {
    let mean = match p.range.rounding {
        Rounding::Tflite => {
            let half = if sum > 0 { count / 2 } else { -(count / 2) };
            ((sum + half) / count).clamp(p.range.low, p.range.high)
        }
        Rounding::Single => {
            let multiplier = p.divisors.get(count as usize - 1);
            p.range.average(sum.wrapping_sub(p.input_zero_point.wrapping_mul(count)), multiplier)
        }
    };
    mean as i8
}

/// Adds input rows `rows` to the sums of a pooling over all of them; the last row gives the output.
#[inline(never)]
pub(super) fn absorb(
    p: &AveragePool2d<'_>,
    input: Rows<'_>,
    rows: Range<usize>,
    sums: &mut [i32],
    output: &mut [i8],
) -> KernelResult {
    let (channels, [kernel_h, kernel_w]) = (p.input.channels, p.window.kernel);
    let lengths = input.row_len() == p.input.row_len() && output.len() == p.output.row_len();
    let divisors = p.range.rounding == Rounding::Tflite
        || kernel_h.checked_mul(kernel_w) == Some(p.divisors.shifts.len())
            && p.divisors.mantissas.len() == p.divisors.shifts.len();
    let shape = p.output.height == 1 && p.output.channels == channels && p.window.dilation == [1, 1];
    if !lengths || !divisors || !shape || channels == 0 || rows.end > p.input.height {
        return reference::average_pool2d_absorb::run(p, input, rows, sums, output);
    }
    let sums = sums.get_mut(..output.len()).ok_or(LengthError)?;
    for row in rows {
        if row == 0 {
            sums.fill(0);
        }
        for column in 0..p.output.width {
            let inside = Inside::new(&p.window, &p.input, 0, column);
            let sums = sums.get_mut(column * channels..(column + 1) * channels).ok_or(LengthError)?;
            if inside.rows.contains(&row) && !inside.columns.is_empty() {
                let values = inside.columns.start * channels..inside.columns.end * channels;
                let values = input.row(row).get(values).ok_or(LengthError)?;
                // SAFETY: the values are as many pixels of `channels` as the columns, one at least; the sums, one pixel.
                unsafe {
                    tanbo_mve_absorb(sums.as_mut_ptr(), values.as_ptr(), channels, inside.columns.len());
                }
            }
            if row + 1 == p.input.height {
                let count = (inside.rows.len() * inside.columns.len()) as i32;
                let output = output.get_mut(column * channels..(column + 1) * channels).ok_or(LengthError)?;
                if count == 0 {
                    return Err(LengthError);
                }
                output.iter_mut().zip(sums).for_each(|(y, &mut sum)| *y = rounded(p, sum, count));
            }
        }
    }
    Ok(())
}

/// Computes output rows `rows` of a maximum pooling.
#[inline(never)]
pub(super) fn greatest(p: &MaxPool2d, input: Rows<'_>, output: &mut RowsMut<'_>, rows: Range<usize>) -> KernelResult {
    let fast = known(&p.window, &p.input, &p.output, &input, output);
    let [low, high] = p.bounds;
    for row in rows {
        if !fast {
            reference::max_pool2d::run(p, input, output, row)?;
            continue;
        }
        let (batch, y) = (row / p.output.height, row % p.output.height);
        for column in 0..p.output.width {
            let inside = Inside::new(&p.window, &p.input, y, column);
            for channel in (0..p.input.channels).step_by(16) {
                let mut greatest = Vector([i8::MIN; 16]);
                if !inside.rows.is_empty() && !inside.columns.is_empty() {
                    let first = batch * p.input.height;
                    inside.run(tanbo_mve_window_greatest, &input, &p.input, first, channel, &mut greatest)?;
                }
                let out = output.row_mut(row).get_mut(column * p.input.channels + channel..).ok_or(LengthError)?;
                for (greatest, y) in greatest.0.iter().zip(out.iter_mut().take(p.input.channels - channel)) {
                    *y = i32::from(*greatest).max(low).min(high) as i8;
                }
            }
        }
    }
    Ok(())
}

/// Averages over the axes before the last one, a batch entry at a time; the reference takes other axes.
pub(super) fn mean(p: &Mean<'_>, input: &[i8], output: &mut [i8]) -> KernelResult {
    let [batches, between @ .., channels] = p.shape else { return reference::mean::run(p, input, output) };
    // Bits of all axes but the first, which must be alone or reduced too, and the last.
    let inner = (1u32 << (between.len() + 1)) - 2;
    let (batches, axes) = if p.axes & 1 == 1 { (1, p.axes & !1) } else { (*batches as usize, p.axes) };
    let channels = *channels as usize;
    let count = input.len().checked_div(batches * channels).unwrap_or(0);
    let exact = Some(input.len()) == p.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d as usize));
    if axes != inner || !exact || count == 0 || output.len() != batches * channels {
        return reference::mean::run(p, input, output);
    }
    for (x, y) in input.chunks_exact(count * channels).zip(output.chunks_exact_mut(channels)) {
        for channel in (0..channels).step_by(8) {
            let mut totals = [0i32; 8];
            for x in x.chunks(MAX_TAPS * channels) {
                let mut sums = Vector([0i16; 8]);
                let params = Taps {
                    first: x[channel..].as_ptr(),
                    channels: (channels - channel).min(8),
                    columns: x.len() / channels,
                    step: channels,
                    rows: 1,
                    row_step: 0,
                    result: sums.0.as_mut_ptr(),
                };
                // SAFETY: `x` holds `columns` pixels of all channels; the result is one vector.
                unsafe { tanbo_mve_window_sum(&params) }
                totals.iter_mut().zip(sums.0).for_each(|(total, sum)| *total += i32::from(sum));
            }
            for (total, y) in totals.iter().zip(&mut y[channel..]) {
                *y = p.range.average(total.wrapping_sub(p.input_zero_point.wrapping_mul(count as i32)), p.multiplier)
                    as i8;
            }
        }
    }
    Ok(())
}
