//! Pools, 16 channels at a time. The sums are plain loops that the compiler turns into registers of 256 bits.

use core::arch::x86_64::*;
use core::ops::Range;

use tanbo_quant::Rounding;

use crate::{AveragePool2d, Image, KernelResult, LengthError, MaxPool2d, Rows, RowsMut, Window, reference};

/// Channels at a time.
const BLOCK: usize = 16;

/// As many where there are as many: the rows are found less often.
const WIDE: usize = 64;

/// Most taps whose sum of magnitudes and rounding, `128·n + n/2`, is less than `2^32 / n`.
const MANY: i32 = 5780;

/// Computes output rows of an average pooling.
#[target_feature(enable = "avx2")]
pub fn average(p: &AveragePool2d<'_>, input: Rows<'_>, output: &mut RowsMut<'_>, rows: Range<usize>) -> KernelResult {
    let taps = p.window.kernel[0].checked_mul(p.window.kernel[1]).ok_or(LengthError)?;
    let divisors = &p.divisors;
    let right = p.range.rounding == Rounding::Tflite || divisors.shifts.len() == taps;
    ensure(right && divisors.mantissas.len() == divisors.shifts.len())?;
    ensure(fits(&p.input, &p.output, &input, output))?;
    // A single value of any sign and 2^24 taps fit an i32.
    if taps > 1 << 24 || p.output.channels != p.input.channels {
        return rows.into_iter().try_for_each(|row| reference::average_pool2d::run(p, input, output, row));
    }
    for row in rows {
        let window = Places::new(&p.window, &p.input, row, p.output.height);
        for ox in 0..p.output.width {
            let columns = window.columns(ox);
            let n = (window.rows.len() * columns.len()) as i32;
            ensure(n > 0)?;
            let y = output.row_mut(row);
            let y = y.get_mut(ox * p.output.channels..).ok_or(LengthError)?;
            let reciprocal = (1u64 << 32) / n as u64 + 1;
            let finish = |sum: i32| match p.range.rounding {
                Rounding::Tflite => {
                    let more = u64::from(sum.unsigned_abs()) + n as u64 / 2;
                    // The product exceeds the quotient by less than `more / 2^32`, which is less than `1 / n`.
                    let quotient = if n <= MANY { (more * reciprocal) >> 32 } else { more / n as u64 } as i32;
                    (if sum < 0 { -quotient } else { quotient }).clamp(p.range.low, p.range.high) as i8
                }
                Rounding::Single => {
                    let sum = sum.wrapping_sub(p.input_zero_point.wrapping_mul(n));
                    p.range.average(sum, p.divisors.get(n as usize - 1)) as i8
                }
            };
            let mut channel = 0;
            while channel < p.input.channels {
                let left = p.input.channels - channel;
                let count = if left >= WIDE { WIDE } else { BLOCK.min(left) };
                let mut sums = [0i32; WIDE];
                if count == WIDE {
                    window.sums::<{ WIDE / BLOCK }>(&input, &columns, channel, &mut sums);
                } else if count == BLOCK {
                    window.sums::<1>(&input, &columns, channel, &mut sums);
                } else {
                    window.each(&input, &columns, channel, count, |pixel| {
                        for (sum, &x) in sums.iter_mut().zip(pixel) {
                            *sum = sum.wrapping_add(x.into());
                        }
                    });
                }
                for (y, sum) in y.iter_mut().skip(channel).take(count).zip(sums) {
                    *y = finish(sum);
                }
                channel += count;
            }
        }
    }
    Ok(())
}

/// Computes output rows of a maximum pooling.
#[target_feature(enable = "avx2")]
pub fn max(p: &MaxPool2d, input: Rows<'_>, output: &mut RowsMut<'_>, rows: Range<usize>) -> KernelResult {
    if p.output.channels != p.input.channels || !fits(&p.input, &p.output, &input, output) {
        return rows.into_iter().try_for_each(|row| reference::max_pool2d::run(p, input, output, row));
    }
    for row in rows {
        let window = Places::new(&p.window, &p.input, row, p.output.height);
        for ox in 0..p.output.width {
            let columns = window.columns(ox);
            let y = output.row_mut(row);
            let y = y.get_mut(ox * p.output.channels..).ok_or(LengthError)?;
            let mut channel = 0;
            while channel < p.input.channels {
                let count = BLOCK.min(p.input.channels - channel);
                let mut greatest = [i8::MIN; BLOCK];
                window.each(&input, &columns, channel, count, |pixel| match pixel.first_chunk::<BLOCK>() {
                    Some(pixel) => {
                        for (y, &x) in greatest.iter_mut().zip(pixel) {
                            *y = x.max(*y);
                        }
                    }
                    None => {
                        for (y, &x) in greatest.iter_mut().zip(pixel) {
                            *y = x.max(*y);
                        }
                    }
                });
                for (y, x) in y.iter_mut().skip(channel).take(count).zip(greatest) {
                    *y = i32::from(x).clamp(p.bounds[0], p.bounds[1]) as i8;
                }
                channel += count;
            }
        }
    }
    Ok(())
}

fn ensure(condition: bool) -> KernelResult {
    if condition { Ok(()) } else { Err(LengthError) }
}

/// Returns whether rows are as long as the images say.
fn fits(input: &Image, output: &Image, x: &Rows<'_>, y: &RowsMut<'_>) -> bool {
    x.row_len() == input.row_len() && y.row_len() == output.row_len() && output.height > 0
}

/// The taps of an output row inside the input: first, step and number of rows; columns follow per output.
struct Places<'a> {
    window: &'a Window,
    input: &'a Image,
    rows: Taps,
}

/// Positions `first`, `first + step`, ... of taps.
#[derive(Clone, Copy)]
struct Taps {
    first: usize,
    step: usize,
    count: usize,
}

impl Taps {
    /// Returns the taps along `axis` of output `output` that lie inside `0..len`, moved by `base`.
    fn new(window: &Window, axis: usize, output: usize, len: usize, base: usize) -> Self {
        let inside = |tap: &usize| window.position(axis, output, *tap, len).is_some();
        let first = (0..window.kernel[axis]).find(inside);
        let count = (0..window.kernel[axis]).filter(inside).count();
        let first = first.and_then(|tap| window.position(axis, output, tap, len)).unwrap_or(0);
        Self { first: base + first, step: window.dilation[axis], count }
    }

    fn len(&self) -> usize {
        self.count
    }
}

impl<'a> Places<'a> {
    fn new(window: &'a Window, input: &'a Image, row: usize, height: usize) -> Self {
        let (batch, oy) = (row / height, row % height);
        let rows = Taps::new(window, 0, oy, input.height, batch * input.height);
        Self { window, input, rows }
    }

    fn columns(&self, ox: usize) -> Taps {
        Taps::new(self.window, 1, ox, self.input.width, 0)
    }

    /// Sums `N` blocks of channels from `channel` on over all taps, at most [`WIDE`] channels.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn sums<const N: usize>(&self, x: &Rows<'_>, columns: &Taps, channel: usize, sums: &mut [i32; WIDE]) {
        // 16 bits hold the sum of so many values.
        const MOST: usize = 255;
        let (mut short, mut taken) = ([_mm256_setzero_si256(); N], 0);
        let mut add = |short: &[__m256i; N]| {
            each!(i < N {
                let halves = [_mm256_castsi256_si128(short[i]), _mm256_extracti128_si256::<1>(short[i])];
                each!(half < 2 {
                    // SAFETY: eight of the sums: `N` is 4 at most.
                    unsafe {
                        let place = sums.as_mut_ptr().add(16 * i + 8 * half).cast();
                        let more = _mm256_cvtepi16_epi32(halves[half]);
                        _mm256_storeu_si256(place, _mm256_add_epi32(_mm256_loadu_si256(place), more));
                    }
                });
            });
        };
        self.each(x, columns, channel, N * BLOCK, |pixel| {
            if pixel.len() < N * BLOCK {
                return;
            }
            each!(i < N {
                // SAFETY: 16 of the values.
                let x = unsafe { _mm_loadu_si128(pixel.as_ptr().add(16 * i).cast()) };
                short[i] = _mm256_add_epi16(short[i], _mm256_cvtepi8_epi16(x));
            });
            taken += 1;
            if taken == MOST {
                add(&short);
                (short, taken) = ([_mm256_setzero_si256(); N], 0);
            }
        });
        add(&short);
    }

    /// Calls `visit` with `count` channels from `channel` on of each tap.
    #[inline(always)]
    fn each(&self, x: &Rows<'_>, columns: &Taps, channel: usize, count: usize, mut visit: impl FnMut(&[i8])) {
        let step = (columns.step * self.input.channels).max(1);
        for down in 0..self.rows.count {
            let row = x.row(self.rows.first + down * self.rows.step);
            let line = row.get(columns.first * self.input.channels + channel..).unwrap_or_default();
            for pixel in line.chunks(step).take(columns.count) {
                visit(pixel.get(..count).unwrap_or_default());
            }
        }
    }
}
