//! Convolution tiles of 2 pixels by 8 (or 4) channels without the dot product.
//!
//! The 16 lanes of a vector are inputs. SMULL multiplies eight int8 pairs to int16, SMLAL2 adds the products of the other
//! eight (two of them fit: the packing has seen to it), SADALP adds neighbours into four int32 lanes: 16 MACs in three
//! instructions. An accumulator is a vector per pixel and channel; its lanes are added at the end.
//!
//! Registers: v0 v1 pixel 0, v2 v3 pixel 1; v4-v7 weights; v8-v15 products; v16-v23 accumulators of pixel 0, v24-v31 of
//! pixel 1.
//!
//! Instructions for 32 inputs, 8 channels, 2 pixels: 96 to multiply, 4 LD1 of 64 bytes of weights, 2 LDP of pixels, 2 of the loop:
//! 104 for 512 MACs, 0.203 per MAC. One pixel, two blocks of channels: 107 for 512, 0.209.

use core::arch::aarch64::*;
use core::arch::asm;
use core::ops::Range;

use tanbo_packing::Kind;
use tanbo_packing::arm::{Blocks, HEADER_WORDS};
use tanbo_packing::neon::{LANES, LAYOUT, WORDS};

use super::lanes::{Bounds, Scale, store_four};
use crate::arch::arm::image::{self, Layer, Run};
use crate::arch::arm::scaling;
use crate::{KernelResult, Packed, Rows, RowsMut};

/// Two channels (accumulators $a, $b of pixel 0, $c, $d of pixel 1) by 32 inputs, two pixels.
macro_rules! two_by_32 {
    ($a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            "ld1 {{v4.16b, v5.16b, v6.16b, v7.16b}}, [{w}], #64\n",
            "smull v8.8h, v4.8b, v0.8b\n smull v9.8h, v6.8b, v0.8b\n",
            "smull v10.8h, v4.8b, v2.8b\n smull v11.8h, v6.8b, v2.8b\n",
            "smull v12.8h, v5.8b, v1.8b\n smull v13.8h, v7.8b, v1.8b\n",
            "smull v14.8h, v5.8b, v3.8b\n smull v15.8h, v7.8b, v3.8b\n",
            "smlal2 v8.8h, v4.16b, v0.16b\n smlal2 v9.8h, v6.16b, v0.16b\n",
            "smlal2 v10.8h, v4.16b, v2.16b\n smlal2 v11.8h, v6.16b, v2.16b\n",
            "smlal2 v12.8h, v5.16b, v1.16b\n smlal2 v13.8h, v7.16b, v1.16b\n",
            "smlal2 v14.8h, v5.16b, v3.16b\n smlal2 v15.8h, v7.16b, v3.16b\n",
            "sadalp v",
            $a,
            ".4s, v8.8h\n sadalp v",
            $b,
            ".4s, v9.8h\n",
            "sadalp v",
            $c,
            ".4s, v10.8h\n sadalp v",
            $d,
            ".4s, v11.8h\n",
            "sadalp v",
            $a,
            ".4s, v12.8h\n sadalp v",
            $b,
            ".4s, v13.8h\n",
            "sadalp v",
            $c,
            ".4s, v14.8h\n sadalp v",
            $d,
            ".4s, v15.8h\n",
        )
    };
}

/// Four channels by 16 inputs, two pixels.
macro_rules! two_by_16 {
    ($a:literal, $b:literal, $c:literal, $d:literal, $e:literal, $f:literal, $g:literal, $h:literal) => {
        concat!(
            "ld1 {{v4.16b, v5.16b, v6.16b, v7.16b}}, [{w}], #64\n",
            "smull v8.8h, v4.8b, v0.8b\n smull v9.8h, v5.8b, v0.8b\n",
            "smull v10.8h, v6.8b, v0.8b\n smull v11.8h, v7.8b, v0.8b\n",
            "smull v12.8h, v4.8b, v2.8b\n smull v13.8h, v5.8b, v2.8b\n",
            "smull v14.8h, v6.8b, v2.8b\n smull v15.8h, v7.8b, v2.8b\n",
            "smlal2 v8.8h, v4.16b, v0.16b\n smlal2 v9.8h, v5.16b, v0.16b\n",
            "smlal2 v10.8h, v6.16b, v0.16b\n smlal2 v11.8h, v7.16b, v0.16b\n",
            "smlal2 v12.8h, v4.16b, v2.16b\n smlal2 v13.8h, v5.16b, v2.16b\n",
            "smlal2 v14.8h, v6.16b, v2.16b\n smlal2 v15.8h, v7.16b, v2.16b\n",
            "sadalp v",
            $a,
            ".4s, v8.8h\n sadalp v",
            $b,
            ".4s, v9.8h\n",
            "sadalp v",
            $c,
            ".4s, v10.8h\n sadalp v",
            $d,
            ".4s, v11.8h\n",
            "sadalp v",
            $e,
            ".4s, v12.8h\n sadalp v",
            $f,
            ".4s, v13.8h\n",
            "sadalp v",
            $g,
            ".4s, v14.8h\n sadalp v",
            $h,
            ".4s, v15.8h\n",
        )
    };
}

/// Two channels, halves of the same weights register $w, by 8 inputs that both halves of v0 and v2 hold, two pixels.
macro_rules! two_by_8 {
    ($w:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            "smull v8.8h, v",
            $w,
            ".8b, v0.8b\n smull2 v9.8h, v",
            $w,
            ".16b, v0.16b\n",
            "smull v10.8h, v",
            $w,
            ".8b, v2.8b\n smull2 v11.8h, v",
            $w,
            ".16b, v2.16b\n",
            "sadalp v",
            $a,
            ".4s, v8.8h\n sadalp v",
            $b,
            ".4s, v9.8h\n",
            "sadalp v",
            $c,
            ".4s, v10.8h\n sadalp v",
            $d,
            ".4s, v11.8h\n",
        )
    };
}

/// As [`two_by_32`], one pixel.
macro_rules! one_by_32 {
    ($w:literal, $a:literal, $b:literal) => {
        concat!(
            "ld1 {{v4.16b, v5.16b, v6.16b, v7.16b}}, [{",
            $w,
            "}], #64\n",
            "smull v8.8h, v4.8b, v0.8b\n smull v9.8h, v6.8b, v0.8b\n",
            "smull v12.8h, v5.8b, v1.8b\n smull v13.8h, v7.8b, v1.8b\n",
            "smlal2 v8.8h, v4.16b, v0.16b\n smlal2 v9.8h, v6.16b, v0.16b\n",
            "smlal2 v12.8h, v5.16b, v1.16b\n smlal2 v13.8h, v7.16b, v1.16b\n",
            "sadalp v",
            $a,
            ".4s, v8.8h\n sadalp v",
            $b,
            ".4s, v9.8h\n",
            "sadalp v",
            $a,
            ".4s, v12.8h\n sadalp v",
            $b,
            ".4s, v13.8h\n",
        )
    };
}

/// As [`two_by_16`], one pixel.
macro_rules! one_by_16 {
    ($w:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            "ld1 {{v4.16b, v5.16b, v6.16b, v7.16b}}, [{",
            $w,
            "}], #64\n",
            "smull v8.8h, v4.8b, v0.8b\n smull v9.8h, v5.8b, v0.8b\n",
            "smull v10.8h, v6.8b, v0.8b\n smull v11.8h, v7.8b, v0.8b\n",
            "smlal2 v8.8h, v4.16b, v0.16b\n smlal2 v9.8h, v5.16b, v0.16b\n",
            "smlal2 v10.8h, v6.16b, v0.16b\n smlal2 v11.8h, v7.16b, v0.16b\n",
            "sadalp v",
            $a,
            ".4s, v8.8h\n sadalp v",
            $b,
            ".4s, v9.8h\n",
            "sadalp v",
            $c,
            ".4s, v10.8h\n sadalp v",
            $d,
            ".4s, v11.8h\n",
        )
    };
}

/// As [`two_by_8`], one pixel.
macro_rules! one_by_8 {
    ($w:literal, $a:literal, $b:literal) => {
        concat!(
            "smull v8.8h, v",
            $w,
            ".8b, v0.8b\n smull2 v9.8h, v",
            $w,
            ".16b, v0.16b\n",
            "sadalp v",
            $a,
            ".4s, v8.8h\n sadalp v",
            $b,
            ".4s, v9.8h\n",
        )
    };
}

/// The loop over inputs: `{n}` times the code for 32, then those for 16 and 8 where bits 4 and 3 of `{k}` say so.
macro_rules! inputs {
    ($load32:expr, $by32:expr, $load16:expr, $by16:expr, $load8:expr, $by8:expr) => {
        concat!(
            "cbz {n}, 3f\n",
            "2:\n",
            $load32,
            $by32,
            "subs {n}, {n}, #1\n b.ne 2b\n",
            "3: tbz {k}, #4, 4f\n",
            $load16,
            $by16,
            "4: tbz {k}, #3, 5f\n",
            $load8,
            $by8,
            "5:\n",
        )
    };
}

/// The asm block of a tile: `b0` and `b1` point to eight biases spread over 32 words.
macro_rules! tile {
    ($code:expr, $k:ident, $w:ident, $bias:ident, [$($x:ident),*], [$($acc:ident = $reg:tt),*]) => {
        asm!(
            $code,
            n = inout(reg) $k / 32 => _, k = in(reg) $k, w = inout(reg) $w => _,
            b0 = in(reg) $bias, b1 = in(reg) $bias.wrapping_add(16),
            $($x = inout(reg) $x => _,)*
            $(out($reg) $acc,)*
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _,
            options(nostack, readonly),
        )
    };
}

/// Sums of a tile, before their lanes are added: of each pixel, one vector per channel.
type Sums<const PIXELS: usize, const CHANNELS: usize> = [[int32x4_t; CHANNELS]; PIXELS];

/// Computes the sums of 2 pixels by 8 channels.
///
/// # Safety
/// `k` (a multiple of 8) bytes may be read at `x0` and `x1`, 8 times as many at `w`, 32 words at `b`.
#[inline(always)]
unsafe fn two_by_eight(x0: *const i8, x1: *const i8, k: usize, w: *const i8, b: *const i32) -> Sums<2, 8> {
    let (s0, s1, s2, s3, s4, s5, s6, s7);
    let (t0, t1, t2, t3, t4, t5, t6, t7);
    // SAFETY: the caller's; every register that is written is declared.
    unsafe {
        tile!(
            concat!(
                "ld1 {{v16.4s, v17.4s, v18.4s, v19.4s}}, [{b0}]\n ld1 {{v20.4s, v21.4s, v22.4s, v23.4s}}, [{b1}]\n",
                "ld1 {{v24.4s, v25.4s, v26.4s, v27.4s}}, [{b0}]\n ld1 {{v28.4s, v29.4s, v30.4s, v31.4s}}, [{b1}]\n",
                inputs!(
                    "ldp q0, q1, [{x0}], #32\n ldp q2, q3, [{x1}], #32\n",
                    concat!(
                        two_by_32!(16, 17, 24, 25),
                        two_by_32!(18, 19, 26, 27),
                        two_by_32!(20, 21, 28, 29),
                        two_by_32!(22, 23, 30, 31)
                    ),
                    "ldr q0, [{x0}], #16\n ldr q2, [{x1}], #16\n",
                    concat!(two_by_16!(16, 17, 18, 19, 24, 25, 26, 27), two_by_16!(20, 21, 22, 23, 28, 29, 30, 31)),
                    "ld1r {{v0.2d}}, [{x0}]\n ld1r {{v2.2d}}, [{x1}]\n",
                    concat!(
                        "ld1 {{v4.16b, v5.16b, v6.16b, v7.16b}}, [{w}]\n",
                        two_by_8!(4, 16, 17, 24, 25),
                        two_by_8!(5, 18, 19, 26, 27),
                        two_by_8!(6, 20, 21, 28, 29),
                        two_by_8!(7, 22, 23, 30, 31)
                    )
                ),
            ),
            k,
            w,
            b,
            [x0, x1],
            [
                s0 = "v16",
                s1 = "v17",
                s2 = "v18",
                s3 = "v19",
                s4 = "v20",
                s5 = "v21",
                s6 = "v22",
                s7 = "v23",
                t0 = "v24",
                t1 = "v25",
                t2 = "v26",
                t3 = "v27",
                t4 = "v28",
                t5 = "v29",
                t6 = "v30",
                t7 = "v31"
            ]
        );
    }
    [[s0, s1, s2, s3, s4, s5, s6, s7], [t0, t1, t2, t3, t4, t5, t6, t7]]
}

/// Computes the sums of 2 pixels by 4 channels.
///
/// # Safety
/// `k` (a multiple of 8) bytes may be read at `x0` and `x1`, 4 times as many at `w`, 16 words at `b`.
#[inline(always)]
unsafe fn two_by_four(x0: *const i8, x1: *const i8, k: usize, w: *const i8, b: *const i32) -> Sums<2, 4> {
    let (s0, s1, s2, s3, t0, t1, t2, t3);
    // SAFETY: the caller's; every register that is written is declared.
    unsafe {
        tile!(
            concat!(
                "ld1 {{v16.4s, v17.4s, v18.4s, v19.4s}}, [{b0}]\n ld1 {{v24.4s, v25.4s, v26.4s, v27.4s}}, [{b0}]\n",
                "// {b1}\n",
                inputs!(
                    "ldp q0, q1, [{x0}], #32\n ldp q2, q3, [{x1}], #32\n",
                    concat!(two_by_32!(16, 17, 24, 25), two_by_32!(18, 19, 26, 27)),
                    "ldr q0, [{x0}], #16\n ldr q2, [{x1}], #16\n",
                    two_by_16!(16, 17, 18, 19, 24, 25, 26, 27),
                    "ld1r {{v0.2d}}, [{x0}]\n ld1r {{v2.2d}}, [{x1}]\n",
                    concat!("ldp q4, q5, [{w}]\n", two_by_8!(4, 16, 17, 24, 25), two_by_8!(5, 18, 19, 26, 27))
                ),
            ),
            k,
            w,
            b,
            [x0, x1],
            [s0 = "v16", s1 = "v17", s2 = "v18", s3 = "v19", t0 = "v24", t1 = "v25", t2 = "v26", t3 = "v27"]
        );
    }
    [[s0, s1, s2, s3], [t0, t1, t2, t3]]
}

/// Computes the sums of 1 pixel by 8 channels.
///
/// # Safety
/// As [`two_by_eight`], without `x1`.
#[inline(always)]
unsafe fn one_by_eight(x0: *const i8, k: usize, w: *const i8, b: *const i32) -> Sums<1, 8> {
    let (s0, s1, s2, s3, s4, s5, s6, s7);
    // SAFETY: the caller's; every register that is written is declared.
    unsafe {
        tile!(
            concat!(
                "ld1 {{v16.4s, v17.4s, v18.4s, v19.4s}}, [{b0}]\n ld1 {{v20.4s, v21.4s, v22.4s, v23.4s}}, [{b1}]\n",
                inputs!(
                    "ldp q0, q1, [{x0}], #32\n",
                    concat!(
                        one_by_32!("w", 16, 17),
                        one_by_32!("w", 18, 19),
                        one_by_32!("w", 20, 21),
                        one_by_32!("w", 22, 23)
                    ),
                    "ldr q0, [{x0}], #16\n",
                    concat!(one_by_16!("w", 16, 17, 18, 19), one_by_16!("w", 20, 21, 22, 23)),
                    "ld1r {{v0.2d}}, [{x0}]\n",
                    concat!(
                        "ld1 {{v4.16b, v5.16b, v6.16b, v7.16b}}, [{w}]\n",
                        one_by_8!(4, 16, 17),
                        one_by_8!(5, 18, 19),
                        one_by_8!(6, 20, 21),
                        one_by_8!(7, 22, 23)
                    )
                ),
            ),
            k,
            w,
            b,
            [x0],
            [s0 = "v16", s1 = "v17", s2 = "v18", s3 = "v19", s4 = "v20", s5 = "v21", s6 = "v22", s7 = "v23"]
        );
    }
    [[s0, s1, s2, s3, s4, s5, s6, s7]]
}

/// Computes the sums of 1 pixel by 16 channels, of two blocks.
///
/// # Safety
/// As [`two_by_eight`], without `x1`, of two blocks.
#[inline(always)]
unsafe fn one_by_sixteen(x0: *const i8, k: usize, w: [*const i8; 2], b: [*const i32; 2]) -> Sums<2, 8> {
    let (s0, s1, s2, s3, s4, s5, s6, s7);
    let (t0, t1, t2, t3, t4, t5, t6, t7);
    let ([w, v], [b, c]) = (w, b);
    let (c0, c1) = (c, c.wrapping_add(16));
    // SAFETY: the caller's; every register that is written is declared.
    unsafe {
        tile!(
            concat!(
                "ld1 {{v16.4s, v17.4s, v18.4s, v19.4s}}, [{b0}]\n ld1 {{v20.4s, v21.4s, v22.4s, v23.4s}}, [{b1}]\n",
                "ld1 {{v24.4s, v25.4s, v26.4s, v27.4s}}, [{c0}]\n ld1 {{v28.4s, v29.4s, v30.4s, v31.4s}}, [{c1}]\n",
                inputs!(
                    "ldp q0, q1, [{x0}], #32\n",
                    concat!(
                        one_by_32!("w", 16, 17),
                        one_by_32!("w", 18, 19),
                        one_by_32!("w", 20, 21),
                        one_by_32!("w", 22, 23),
                        one_by_32!("v", 24, 25),
                        one_by_32!("v", 26, 27),
                        one_by_32!("v", 28, 29),
                        one_by_32!("v", 30, 31)
                    ),
                    "ldr q0, [{x0}], #16\n",
                    concat!(
                        one_by_16!("w", 16, 17, 18, 19),
                        one_by_16!("w", 20, 21, 22, 23),
                        one_by_16!("v", 24, 25, 26, 27),
                        one_by_16!("v", 28, 29, 30, 31)
                    ),
                    "ld1r {{v0.2d}}, [{x0}]\n",
                    concat!(
                        "ld1 {{v4.16b, v5.16b, v6.16b, v7.16b}}, [{w}]\n",
                        one_by_8!(4, 16, 17),
                        one_by_8!(5, 18, 19),
                        one_by_8!(6, 20, 21),
                        one_by_8!(7, 22, 23),
                        "ld1 {{v4.16b, v5.16b, v6.16b, v7.16b}}, [{v}]\n",
                        one_by_8!(4, 24, 25),
                        one_by_8!(5, 26, 27),
                        one_by_8!(6, 28, 29),
                        one_by_8!(7, 30, 31)
                    )
                ),
            ),
            k,
            w,
            b,
            [x0, v, c0, c1],
            [
                s0 = "v16",
                s1 = "v17",
                s2 = "v18",
                s3 = "v19",
                s4 = "v20",
                s5 = "v21",
                s6 = "v22",
                s7 = "v23",
                t0 = "v24",
                t1 = "v25",
                t2 = "v26",
                t3 = "v27",
                t4 = "v28",
                t5 = "v29",
                t6 = "v30",
                t7 = "v31"
            ]
        );
    }
    [[s0, s1, s2, s3, s4, s5, s6, s7], [t0, t1, t2, t3, t4, t5, t6, t7]]
}

/// Returns the lanes of four vectors added, one per lane.
#[inline(always)]
fn add_lanes(a: &[int32x4_t]) -> int32x4_t {
    // SAFETY: NEON is part of every AArch64 target of this crate.
    unsafe { vpaddq_s32(vpaddq_s32(a[0], a[1]), vpaddq_s32(a[2], a[3])) }
}

/// Computes output rows of a convolution.
pub fn run(
    p: &Packed<'_>,
    kind: Kind,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
) -> KernelResult {
    image::conv2d(p, (&LAYOUT, kind), input, output, rows, scratch, pixels)
}

/// Computes the pixels of `run` in blocks of channels.
///
/// # Safety
/// As [`Run`] and [`Layer`] say; the constants have the lengths of the packing.
unsafe fn pixels(run: &Run, layer: &Layer<'_>) {
    // SAFETY: the caller's.
    unsafe {
        match layer.records.first().copied().unwrap_or_default() {
            scaling::SINGLE => blocks::<{ scaling::SINGLE }>(run, layer),
            scaling::SINGLE_LEFT => blocks::<{ scaling::SINGLE_LEFT }>(run, layer),
            scaling::TFLITE_POSITIVE => blocks::<{ scaling::TFLITE_POSITIVE }>(run, layer),
            scaling::TFLITE => blocks::<{ scaling::TFLITE }>(run, layer),
            _ => blocks::<{ scaling::TFLITE_LEFT }>(run, layer),
        }
    }
}

/// # Safety
/// As [`pixels`].
unsafe fn blocks<const MODE: i32>(run: &Run, layer: &Layer<'_>) {
    let k = layer.inputs.next_multiple_of(8);
    let mut weights = layer.weights.as_ptr();
    let mut records = layer.records.as_ptr().wrapping_add(HEADER_WORDS);
    let bounds = Bounds::new(&layer.range);
    let (mut eights, others) = Blocks::new(layer.channels, LANES[0], LANES[1]).split();
    let mut run = *run;
    let first = run.y;
    if run.pixels == 1 {
        // Two blocks at a time: registers for a second pixel are free.
        while eights >= 2 {
            let after = (weights.wrapping_add(8 * k), records.wrapping_add(8 * WORDS));
            // SAFETY: the caller's; the packing has so many weights and records for each block.
            unsafe {
                let [a, b] = one_by_sixteen(run.x, k, [weights, after.0], [records, after.1]);
                let (scale, other) = (Scale::<2>::read(records.add(32)), Scale::<2>::read(after.1.add(32)));
                let scaled = |scale: Scale<2>, i: usize, a: &[int32x4_t]| scale.apply::<MODE>(i, add_lanes(a));
                let both = [
                    scaled(scale, 0, &a[..4]),
                    scaled(scale, 1, &a[4..]),
                    scaled(other, 0, &b[..4]),
                    scaled(other, 1, &b[4..]),
                ];
                vst1q_s8(run.y, bounds.narrow::<true>(both));
            }
            run.y = run.y.wrapping_add(16);
            weights = weights.wrapping_add(16 * k);
            records = records.wrapping_add(16 * WORDS);
            eights -= 2;
        }
    }
    for _ in 0..eights {
        // SAFETY: as above.
        unsafe { eight::<MODE>(&run, k, weights, records, &bounds) };
        run.y = run.y.wrapping_add(8);
        weights = weights.wrapping_add(8 * k);
        records = records.wrapping_add(8 * WORDS);
    }
    for block in others {
        run.y = first.wrapping_add(block.first);
        // SAFETY: as above.
        unsafe {
            if block.lanes == 8 {
                eight_outlined::<MODE>(&run, k, weights, records, &bounds);
            } else {
                four::<MODE>(&run, k, weights, records, &bounds, layer.channels.min(4));
            }
        }
        weights = weights.wrapping_add(block.lanes * k);
        records = records.wrapping_add(block.lanes * WORDS);
    }
}

/// [`eight`] as a function of its own, for a last block.
///
/// # Safety
/// As there.
#[inline(never)]
unsafe fn eight_outlined<const MODE: i32>(run: &Run, k: usize, w: *const i8, record: *const i32, bounds: &Bounds) {
    // SAFETY: the caller's.
    unsafe { eight::<MODE>(run, k, w, record, bounds) }
}

/// # Safety
/// As [`pixels`], for one block of 8 channels.
#[inline(always)]
unsafe fn eight<const MODE: i32>(run: &Run, k: usize, w: *const i8, record: *const i32, bounds: &Bounds) {
    let (mut x, mut y, mut rest) = (run.x, run.y, run.pixels);
    // SAFETY: the caller's.
    unsafe {
        while rest >= 2 {
            let [a, b] = two_by_eight(x, x.wrapping_add(run.x_step), k, w, record);
            let scale = Scale::<2>::read(record.add(32));
            let scaled = |i: usize, a: &[int32x4_t]| scale.apply::<MODE>(i, add_lanes(a));
            let both = [scaled(0, &a[..4]), scaled(1, &a[4..]), scaled(0, &b[..4]), scaled(1, &b[4..])];
            let both = vreinterpretq_s64_s8(bounds.narrow::<true>(both));
            vst1q_lane_s64::<0>(y.cast(), both);
            y = y.wrapping_add(run.y_step);
            vst1q_lane_s64::<1>(y.cast(), both);
            y = y.wrapping_add(run.y_step);
            x = x.wrapping_add(2 * run.x_step);
            rest -= 2;
        }
        if rest == 1 {
            one::<MODE>(x, y, k, w, record, bounds);
        }
    }
}

/// # Safety
/// As [`pixels`], for one pixel and one block of 8 channels.
#[inline(always)]
unsafe fn one<const MODE: i32>(x: *const i8, y: *mut i8, k: usize, w: *const i8, record: *const i32, bounds: &Bounds) {
    // SAFETY: the caller's.
    unsafe {
        let [a] = one_by_eight(x, k, w, record);
        let scale = Scale::<2>::read(record.add(32));
        let scaled = |i: usize, a: &[int32x4_t]| scale.apply::<MODE>(i, add_lanes(a));
        vst1_s8(y, vget_low_s8(bounds.narrow_half([scaled(0, &a[..4]), scaled(1, &a[4..])])));
    }
}

/// Computes a block of four channels, of which the image has `channels`. A last odd pixel is computed twice.
///
/// # Safety
/// As [`pixels`], for one block of 4 channels.
unsafe fn four<const MODE: i32>(
    run: &Run,
    k: usize,
    w: *const i8,
    record: *const i32,
    bounds: &Bounds,
    channels: usize,
) {
    let (mut x, mut y, mut rest) = (run.x, run.y, run.pixels);
    while rest > 0 {
        let second = usize::from(rest > 1);
        // SAFETY: the caller's.
        unsafe {
            let [a, b] = two_by_four(x, x.wrapping_add(second * run.x_step), k, w, record);
            let scale = Scale::<1>::read(record.add(16));
            let both = [scale.apply::<MODE>(0, add_lanes(&a)), scale.apply::<MODE>(0, add_lanes(&b))];
            let both = vreinterpretq_s32_s8(bounds.narrow_half(both));
            store_four(y, vgetq_lane_s32::<0>(both), channels);
            store_four(y.wrapping_add(second * run.y_step), vgetq_lane_s32::<1>(both), channels);
        }
        x = x.wrapping_add(2 * run.x_step);
        y = y.wrapping_add(2 * run.y_step);
        rest = rest.saturating_sub(2);
    }
}
