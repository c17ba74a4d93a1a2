//! Depthwise convolution: lanes are channels, 16 or 8 of them, over rows padded with the zero point.
//!
//! SMULL and SMLAL sum the int8 products of two taps in int16 lanes (the packing has seen to it that they fit), SADDW adds them
//! to int32. For 16 channels a pair of taps takes 2 LDR, 4 multiplications and 4 additions, 10 instructions for 32 MACs. Kernels
//! of three by three have loops of their own ([`line_3x3`]).

use core::arch::aarch64::*;
use core::ops::Range;

use tanbo_packing::arm::{Blocks, HEADER_WORDS, Scratch};
use tanbo_packing::neon::{DEPTHWISE_LANES, DEPTHWISE_WORDS};
use tanbo_packing::{Kind, Layout};

use super::lanes::{Bounds, Scale};
use super::line_3x3;
use crate::arch::arm::image::{self, Ring};
use crate::arch::arm::scaling;
use crate::{KernelResult, LengthError, Packed, Rows, RowsMut};

/// Computes output rows.
pub fn run(
    p: &Packed<'_>,
    layout: &Layout,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
) -> KernelResult {
    image::check(p, layout, Kind::DepthwiseConv2d, &input, output, scratch)?;
    match p.records.first().copied().unwrap_or_default() {
        scaling::SINGLE => all_rows::<{ scaling::SINGLE }>(p, input, output, rows, scratch),
        scaling::SINGLE_LEFT => all_rows::<{ scaling::SINGLE_LEFT }>(p, input, output, rows, scratch),
        scaling::TFLITE_POSITIVE => all_rows::<{ scaling::TFLITE_POSITIVE }>(p, input, output, rows, scratch),
        scaling::TFLITE => all_rows::<{ scaling::TFLITE }>(p, input, output, rows, scratch),
        _ => all_rows::<{ scaling::TFLITE_LEFT }>(p, input, output, rows, scratch),
    }
}

fn all_rows<const MODE: i32>(
    p: &Packed<'_>,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
) -> KernelResult {
    let place = Scratch::rows(&p.shape).ok_or(LengthError)?;
    let [kernel_h, kernel_w] = p.shape.kernel;
    let [_, width, channels] = p.shape.output;
    let bounds = Bounds::new(&p.range);
    let mut ring = Ring::new(p, place, input, scratch)?;
    for row in rows {
        ring.advance(row);
        let y = output.row_mut(row);
        if y.len() != width * channels {
            return Err(LengthError);
        }
        let three = three_rows(p.shape.kernel, &ring);
        let mut weights = p.weights.as_ptr();
        let mut records = p.records.as_ptr().wrapping_add(HEADER_WORDS);
        for block in Blocks::new(channels, DEPTHWISE_LANES[0], DEPTHWISE_LANES[1]) {
            let line = Line {
                weights,
                records,
                column_step: p.shape.dilation[1] * channels,
                x_step: p.shape.stride[1] * channels,
                first: block.first,
                y: y.as_mut_ptr().wrapping_add(block.first),
                y_step: channels,
                width,
                bounds,
            };
            // SAFETY: the padded rows hold what `width` outputs read, with more than 16 bytes behind them; blocks do not stick
            // out of the row of outputs, but for one of less than 8 channels, which are stored one by one; the packing has
            // so many weights and records for each block.
            unsafe {
                match (block.lanes, three) {
                    (16, Some(rows)) => line_3x3::sixteen::<MODE>(&line, rows),
                    (16, None) => line.sixteen::<MODE>(&ring, p.shape.kernel),
                    (_, Some(rows)) if channels >= 8 => line_3x3::eight::<MODE>(&line, rows),
                    (_, Some(rows)) => {
                        // Outputs of fewer channels: eight are stored, the next pixel's over those that are too many, as
                        // far as the row goes.
                        let whole = (width * channels).saturating_sub(8 - channels) / channels;
                        line_3x3::eight::<MODE>(&Line { width: whole, ..line }, rows);
                        line.behind(whole).eight::<MODE>(&ring, p.shape.kernel, channels);
                    }
                    _ => line.eight::<MODE>(&ring, p.shape.kernel, channels.min(8)),
                }
            }
            weights = weights.wrapping_add(block.lanes * kernel_h * kernel_w);
            records = records.wrapping_add(block.lanes * DEPTHWISE_WORDS);
        }
    }
    Ok(())
}

/// A row of outputs of one block.
#[derive(Clone, Copy)]
pub struct Line {
    /// Its weights and records.
    pub weights: *const i8,
    pub records: *const i32,
    /// Distance between taps of a row, and between outputs' first taps.
    pub column_step: usize,
    pub x_step: usize,
    /// Where the first output's first tap lies in the padded rows.
    pub first: usize,
    pub y: *mut i8,
    pub y_step: usize,
    /// Outputs.
    pub width: usize,
    pub bounds: Bounds,
}

/// Accumulators of 16 channels.
type Sums = [int32x4_t; 4];

impl Line {
    /// Returns the outputs from number `ox` on.
    fn behind(&self, ox: usize) -> Self {
        let (first, y) = (self.first + ox * self.x_step, self.y.wrapping_add(ox * self.y_step));
        Self { first, y, width: self.width.saturating_sub(ox), ..*self }
    }

    /// Computes 16 channels.
    ///
    /// # Safety
    /// The rows hold the taps of each of `width` outputs; weights and records are those of 16 channels.
    unsafe fn sixteen<const MODE: i32>(&self, ring: &Ring<'_>, [kernel_h, kernel_w]: [usize; 2]) {
        // SAFETY: the caller's.
        unsafe {
            let bias: Sums = core::array::from_fn(|i| vld1q_s32(self.records.add(i * 4)));
            let scale = Scale::<4>::read(self.records.add(16));
            for ox in 0..self.width {
                let mut sums = bias;
                let mut pair = None;
                let mut w = self.weights;
                for row in ring.rows(kernel_h) {
                    let mut x = row.add(self.first + ox * self.x_step);
                    for _ in 0..kernel_w {
                        let tap = (vld1q_s8(x), vld1q_s8(w));
                        pair = match pair {
                            None => Some(tap),
                            Some(before) => {
                                sums = add_pair(sums, before, tap);
                                None
                            }
                        };
                        x = x.wrapping_add(self.column_step);
                        w = w.wrapping_add(16);
                    }
                }
                if let Some(last) = pair {
                    sums = add_pair(sums, last, (vdupq_n_s8(0), vdupq_n_s8(0)));
                }
                let scaled = core::array::from_fn(|i| scale.apply::<MODE>(i, sums[i]));
                vst1q_s8(self.y.wrapping_add(ox * self.y_step), self.bounds.narrow::<true>(scaled));
            }
        }
    }

    /// As [`Line::sixteen`], of 8 channels, of which the first `channels` are stored.
    ///
    /// # Safety
    /// As there.
    unsafe fn eight<const MODE: i32>(&self, ring: &Ring<'_>, [kernel_h, kernel_w]: [usize; 2], channels: usize) {
        // SAFETY: the caller's.
        unsafe {
            let bias: [int32x4_t; 2] = core::array::from_fn(|i| vld1q_s32(self.records.add(i * 4)));
            let scale = Scale::<2>::read(self.records.add(8));
            for ox in 0..self.width {
                let mut sums = bias;
                let mut pair = None;
                let mut w = self.weights;
                let mut add = |products: int16x8_t| {
                    sums = [vaddw_s16(sums[0], vget_low_s16(products)), vaddw_high_s16(sums[1], products)];
                };
                for row in ring.rows(kernel_h) {
                    let mut x = row.add(self.first + ox * self.x_step);
                    for _ in 0..kernel_w {
                        pair = match pair {
                            None => Some(vmull_s8(vld1_s8(x), vld1_s8(w))),
                            Some(before) => {
                                add(vmlal_s8(before, vld1_s8(x), vld1_s8(w)));
                                None
                            }
                        };
                        x = x.wrapping_add(self.column_step);
                        w = w.wrapping_add(8);
                    }
                }
                if let Some(last) = pair {
                    add(last);
                }
                let half = self.bounds.narrow_half([scale.apply::<MODE>(0, sums[0]), scale.apply::<MODE>(1, sums[1])]);
                let y = self.y.wrapping_add(ox * self.y_step);
                if channels == 8 {
                    vst1_s8(y, vget_low_s8(half));
                } else {
                    let mut outputs = [0; 8];
                    vst1_s8(outputs.as_mut_ptr(), vget_low_s8(half));
                    y.copy_from_nonoverlapping(outputs.as_ptr(), channels);
                }
            }
        }
    }
}

/// Returns the rows of a kernel of three by three, `None` of another.
fn three_rows(kernel: [usize; 2], ring: &Ring<'_>) -> Option<[*const i8; 3]> {
    if kernel != [3, 3] {
        return None;
    }
    let mut rows = ring.rows(3);
    Some([rows.next()?, rows.next()?, rows.next()?])
}

/// Adds the products of two taps, inputs and weights; their sum fits an int16.
#[inline(always)]
fn add_pair(sums: Sums, a: (int8x16_t, int8x16_t), b: (int8x16_t, int8x16_t)) -> Sums {
    // SAFETY: NEON is part of every AArch64 target of this crate.
    unsafe {
        let low = vmull_s8(vget_low_s8(a.0), vget_low_s8(a.1));
        let high = vmull_high_s8(a.0, a.1);
        let low = vmlal_s8(low, vget_low_s8(b.0), vget_low_s8(b.1));
        let high = vmlal_high_s8(high, b.0, b.1);
        [
            vaddw_s16(sums[0], vget_low_s16(low)),
            vaddw_high_s16(sums[1], low),
            vaddw_s16(sums[2], vget_low_s16(high)),
            vaddw_high_s16(sums[3], high),
        ]
    }
}
