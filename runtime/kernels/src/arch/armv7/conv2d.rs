//! Convolution tiles of 2 pixels by 4 channels: VMULL, VMLAL and VPADAL multiply 16 inputs in three instructions, as in the tiles
//! for AArch64.
//!
//! Registers: q0 q1 pixels; q2 weights; q4 q5 products; q8-q11 accumulators of pixel 0, q12-q15 of pixel 1. Then q0 q1 sums, q2-q7
//! the scaling.
//!
//! Instructions for 16 inputs, 4 channels, 2 pixels: 24 to multiply, 6 loads, 2 of the loop: 32 for 128 MACs, 0.25 per MAC.

use core::arch::asm;
use core::ops::Range;

use tanbo_packing::Kind;
use tanbo_packing::arm::HEADER_WORDS;
use tanbo_packing::armv7::{INPUTS, LANES, LAYOUT, WORDS};

use super::finish::{Bounds, narrow, single, tflite};
use crate::arch::arm::image::{self, Layer, Run};
use crate::arch::arm::scaling;
use crate::{KernelResult, LengthError, Packed, Rows, RowsMut};

/// Computes output rows of a convolution.
///
/// # Errors
/// Also on a CPU without NEON.
pub fn run(
    p: &Packed<'_>,
    kind: Kind,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
) -> KernelResult {
    if !super::detect::is_available() {
        return Err(LengthError);
    }
    image::conv2d(p, (&LAYOUT, kind), input, output, rows, scratch, pixels)
}

/// Computes the pixels of `run` in blocks of channels.
///
/// # Safety
/// The CPU has NEON; as [`Run`] and [`Layer`] say; the constants have the lengths of the packing.
unsafe fn pixels(run: &Run, layer: &Layer<'_>) {
    // SAFETY: the caller's.
    unsafe {
        match layer.records.first().copied().unwrap_or_default() {
            scaling::SINGLE | scaling::SINGLE_LEFT => blocks::<true>(run, layer),
            _ => blocks::<false>(run, layer),
        }
    }
}

/// # Safety
/// As [`pixels`].
unsafe fn blocks<const SINGLE: bool>(run: &Run, layer: &Layer<'_>) {
    let steps = layer.inputs.div_ceil(INPUTS);
    let bounds = Bounds::new(&layer.range);
    let mut weights = layer.weights.as_ptr();
    let mut records = layer.records.as_ptr().wrapping_add(HEADER_WORDS);
    for first in (0..layer.channels).step_by(LANES) {
        let channels = (layer.channels - first).min(LANES);
        let (mut x, mut y, mut rest) = (run.x, run.y.wrapping_add(first), run.pixels);
        while rest > 0 {
            // A last odd pixel is computed twice.
            let second = usize::from(rest > 1);
            let x1 = x.wrapping_add(second * run.x_step);
            let y1 = y.wrapping_add(second * run.y_step);
            // SAFETY: the caller's; the packing has so many weights and records for each block.
            unsafe {
                if channels == LANES {
                    tile::<SINGLE>([x, x1], steps, weights, records, &bounds, [y, y1]);
                } else {
                    let mut outputs = [[0i8; LANES]; 2];
                    let [a, b] = &mut outputs;
                    tile::<SINGLE>([x, x1], steps, weights, records, &bounds, [a.as_mut_ptr(), b.as_mut_ptr()]);
                    y.copy_from_nonoverlapping(outputs[0].as_ptr(), channels);
                    y1.copy_from_nonoverlapping(outputs[1].as_ptr(), channels);
                }
            }
            x = x.wrapping_add(2 * run.x_step);
            y = y.wrapping_add(2 * run.y_step);
            rest = rest.saturating_sub(2);
        }
        weights = weights.wrapping_add(LANES * steps * INPUTS);
        records = records.wrapping_add(LANES * WORDS);
    }
}

/// A channel by 16 inputs of both pixels: accumulators $a and $b.
macro_rules! channel {
    ($a:literal, $b:literal) => {
        concat!(
            "vld1.8 {{d4-d5}}, [{w}]!\n",
            "vmull.s8 q4, d0, d4\n vmull.s8 q5, d2, d4\n vmlal.s8 q4, d1, d5\n vmlal.s8 q5, d3, d5\n",
            "vpadal.s16 q",
            $a,
            ", q4\n vpadal.s16 q",
            $b,
            ", q5\n",
        )
    };
}

macro_rules! tile {
    ($scale:expr, $x:ident, $steps:ident, $w:ident, $record:ident, $bounds:ident, $y:ident) => {
        asm!(
            ".fpu neon",
            "vmov.i32 q8, #0\n vmov.i32 q9, #0\n vmov.i32 q10, #0\n vmov.i32 q11, #0",
            "vmov.i32 q12, #0\n vmov.i32 q13, #0\n vmov.i32 q14, #0\n vmov.i32 q15, #0",
            "2:",
            "vld1.8 {{d0-d1}}, [{x0}]!\n vld1.8 {{d2-d3}}, [{x1}]!",
            "subs {n}, {n}, #1",
            channel!(8, 12),
            channel!(9, 13),
            channel!(10, 14),
            channel!(11, 15),
            "bne 2b",
            "vpadd.i32 d16, d16, d17\n vpadd.i32 d18, d18, d19\n vpadd.i32 d20, d20, d21\n vpadd.i32 d22, d22, d23",
            "vpadd.i32 d24, d24, d25\n vpadd.i32 d26, d26, d27\n vpadd.i32 d28, d28, d29\n vpadd.i32 d30, d30, d31",
            "vpadd.i32 d0, d16, d18\n vpadd.i32 d1, d20, d22\n vpadd.i32 d2, d24, d26\n vpadd.i32 d3, d28, d30",
            "vld1.32 {{d16-d17}}, [{record}]!\n vld1.32 {{d4-d5}}, [{record}]!",
            "vld1.32 {{d8-d9}}, [{record}]!\n vld1.32 {{d12-d13}}, [{record}]",
            "vadd.i32 q0, q0, q8\n vadd.i32 q1, q1, q8\n vmov q3, q2\n vmov q5, q4\n vmov q7, q6",
            $scale,
            narrow!(),
            "vst1.32 {{d0[0]}}, [{y0}]\n vst1.32 {{d0[1]}}, [{y1}]",
            x0 = inout(reg) $x[0] => _, x1 = inout(reg) $x[1] => _, n = inout(reg) $steps => _,
            w = inout(reg) $w => _, record = inout(reg) $record => _, bounds = in(reg) $bounds,
            y0 = in(reg) $y[0], y1 = in(reg) $y[1],
            // The upper half of the registers is not the compiler's on this target.
            out("d0") _, out("d1") _, out("d2") _, out("d3") _, out("d4") _, out("d5") _, out("d6") _, out("d7") _,
            out("d8") _, out("d9") _, out("d10") _, out("d11") _, out("d12") _, out("d13") _, out("d14") _,
            out("d15") _,
            options(nostack),
        )
    };
}

/// Computes a tile.
///
/// # Safety
/// The CPU has NEON. `steps` (at least 1) times 16 bytes may be read at both `x`, four times as many at `w`, 16 words at `record`;
/// 4 bytes may be written at both `y`.
#[inline(always)]
unsafe fn tile<const SINGLE: bool>(
    x: [*const i8; 2],
    steps: usize,
    w: *const i8,
    record: *const i32,
    bounds: &Bounds,
    y: [*mut i8; 2],
) {
    // SAFETY: the caller's; every register that is written is declared.
    unsafe {
        if SINGLE {
            tile!(single!(), x, steps, w, record, bounds, y);
        } else {
            tile!(tflite!(), x, steps, w, record, bounds, y);
        }
    }
}
