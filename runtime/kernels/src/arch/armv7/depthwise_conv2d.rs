//! Depthwise convolution: lanes are channels, 8 of them, over rows padded with the zero point.
//!
//! A tap of 8 channels: 2 loads, VMULL, 2 VADDW, 2 of the loop: 7 instructions for 8 MACs.

use core::arch::asm;
use core::ops::Range;

use tanbo_packing::Kind;
use tanbo_packing::arm::{HEADER_WORDS, Scratch};
use tanbo_packing::armv7::{DEPTHWISE_LANES, LAYOUT, WORDS};

use super::finish::{Bounds, narrow, single, tflite};
use crate::arch::arm::image::{self, Ring};
use crate::arch::arm::scaling;
use crate::{KernelResult, LengthError, Packed, Rows, RowsMut};

/// Computes output rows.
///
/// # Errors
/// Also on a CPU without NEON.
pub fn run(
    p: &Packed<'_>,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
) -> KernelResult {
    if !super::detect::is_available() {
        return Err(LengthError);
    }
    image::check(p, &LAYOUT, Kind::DepthwiseConv2d, &input, output, scratch)?;
    let place = Scratch::rows(&p.shape).ok_or(LengthError)?;
    let [kernel_h, kernel_w] = p.shape.kernel;
    let [_, width, channels] = p.shape.output;
    if kernel_w == 0 {
        return Err(LengthError);
    }
    let single = matches!(p.records.first().copied(), Some(scaling::SINGLE | scaling::SINGLE_LEFT));
    let bounds = Bounds::new(&p.range);
    let mut ring = Ring::new(p, place, input, scratch)?;
    for row in rows {
        ring.advance(row);
        let y = output.row_mut(row);
        if y.len() != width * channels {
            return Err(LengthError);
        }
        for first in (0..channels).step_by(DEPTHWISE_LANES) {
            let line = Line {
                weights: p.weights.as_ptr().wrapping_add(first * kernel_h * kernel_w),
                records: p.records.as_ptr().wrapping_add(HEADER_WORDS + first * WORDS),
                step: p.shape.dilation[1] * channels,
                taps: kernel_w,
                bounds: &bounds,
            };
            let count = (channels - first).min(DEPTHWISE_LANES);
            for (ox, y) in y.chunks_exact_mut(channels).enumerate() {
                let mut sums = Sums([0; DEPTHWISE_LANES]);
                let mut outputs = [0i8; DEPTHWISE_LANES];
                let at = ox * p.shape.stride[1] * channels + first;
                // SAFETY: the CPU has been asked; the padded rows hold the taps of `width` outputs, with more than 8 bytes behind
                // them; the packing has so many weights and records for each block.
                unsafe {
                    let mut weights = line.weights;
                    for row in ring.rows(kernel_h) {
                        weights = line.add_row(&mut sums, row.wrapping_add(at), weights);
                    }
                    if single {
                        line.finish::<true>(&sums, &mut outputs)
                    } else {
                        line.finish::<false>(&sums, &mut outputs)
                    }
                }
                y[first..first + count].copy_from_slice(&outputs[..count]);
            }
        }
    }
    Ok(())
}

/// Sums of eight channels.
#[repr(C, align(16))]
struct Sums([i32; DEPTHWISE_LANES]);

/// A row of outputs of one block.
struct Line<'a> {
    weights: *const i8,
    records: *const i32,
    /// Distance between taps, and their number in a row.
    step: usize,
    taps: usize,
    bounds: &'a Bounds,
}

impl Line<'_> {
    /// Adds the products of a row of taps; returns where the next row's weights are.
    ///
    /// # Safety
    /// The CPU has NEON; 8 bytes may be read at every tap and weight.
    #[inline(always)]
    unsafe fn add_row(&self, sums: &mut Sums, x: *const i8, mut w: *const i8) -> *const i8 {
        // SAFETY: the caller's; every register that is written is declared.
        unsafe {
            asm!(
                ".fpu neon",
                "vld1.32 {{d16-d19}}, [{sums}]",
                "2:",
                "vld1.8 {{d0}}, [{x}], {step}",
                "vld1.8 {{d1}}, [{w}]!",
                "subs {n}, {n}, #1",
                "vmull.s8 q1, d0, d1",
                "vaddw.s16 q8, q8, d2",
                "vaddw.s16 q9, q9, d3",
                "bne 2b",
                "vst1.32 {{d16-d19}}, [{sums}]",
                sums = in(reg) sums, x = inout(reg) x => _, step = in(reg) self.step, w = inout(reg) w,
                n = inout(reg) self.taps => _,
                out("d0") _, out("d1") _, out("d2") _, out("d3") _,
                options(nostack),
            );
        }
        w
    }

    /// Scales and narrows.
    ///
    /// # Safety
    /// The CPU has NEON; 32 words of records may be read.
    #[inline(always)]
    unsafe fn finish<const SINGLE: bool>(&self, sums: &Sums, outputs: &mut [i8; DEPTHWISE_LANES]) {
        macro_rules! finish {
            ($scale:expr) => {
                asm!(
                    ".fpu neon",
                    "vld1.32 {{d0-d3}}, [{sums}]",
                    "vld1.32 {{d16-d19}}, [{record}]!\n vadd.i32 q0, q0, q8\n vadd.i32 q1, q1, q9",
                    "vld1.32 {{d4-d7}}, [{record}]!\n vld1.32 {{d8-d11}}, [{record}]!\n vld1.32 {{d12-d15}}, [{record}]",
                    $scale,
                    narrow!(),
                    "vst1.8 {{d0}}, [{y}]",
                    sums = in(reg) sums, record = inout(reg) self.records => _, bounds = in(reg) self.bounds,
                    y = in(reg) outputs.as_mut_ptr(),
                    out("d0") _, out("d1") _, out("d2") _, out("d3") _, out("d4") _, out("d5") _, out("d6") _,
                    out("d7") _, out("d8") _, out("d9") _, out("d10") _, out("d11") _, out("d12") _, out("d13") _,
                    out("d14") _, out("d15") _,
                    options(nostack),
                )
            };
        }
        // SAFETY: the caller's; every register that is written is declared.
        unsafe {
            if SINGLE {
                finish!(single!());
            } else {
                finish!(tflite!());
            }
        }
    }
}
