//! Convolution tiles of 4 pixels by 16 (8, 4) channels with the dot product.
//!
//! SDOT by lane adds four products to each of four channels' int32 sums: weights lie four inputs deep, a pixel's four inputs
//! are one lane of its register. 16 MACs an instruction.
//!
//! Registers: v0-v3 weights (of 16 channels), v4-v7 16 inputs of each pixel, v16-v31 sums, four vectors a pixel.
//!
//! Instructions for 16 inputs, 16 channels, 4 pixels: 64 to multiply, 4 LD1 of 64 bytes of weights, 4 LDR of pixels, 1 of the
//! loop: 73 for 1024 MACs, 0.071 per MAC. 8 channels: 39 for 512; 4 channels: 22 for 256. One pixel, two blocks of 16 channels: 42
//! for 512, 0.082. For 64 outputs, 4 to load biases, 6 to load the scaling, 32 to apply it (48 with halves away from zero), 32 to narrow (8
//! more for bounds inside int8), 4 to store, and about 10 of the loop.

use core::arch::aarch64::*;
use core::arch::asm;
use core::ops::Range;

use tanbo_packing::Kind;
use tanbo_packing::arm::{Blocks, HEADER_WORDS};
use tanbo_packing::dotprod::{LANES, LAYOUT, WORDS};

use crate::arch::arm::image::{self, Layer, Run};
use crate::arch::arm::scaling;
use crate::arch::neon::lanes::{Bounds, Scale, store_four};
use crate::{KernelResult, LengthError, Packed, Rows, RowsMut};

/// `$sum += weights $w · lane $lane of the inputs $x`.
macro_rules! dot {
    ($sum:literal, $w:literal, $x:literal, $lane:literal) => {
        concat!("sdot v", $sum, ".4s, v", $w, ".16b, v", $x, ".4b[", $lane, "]\n")
    };
}

/// Four inputs (lane $lane) of four pixels by four channels.
macro_rules! dots_4x4 {
    ($w:literal, $lane:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(dot!($a, $w, 4, $lane), dot!($b, $w, 5, $lane), dot!($c, $w, 6, $lane), dot!($d, $w, 7, $lane))
    };
}

/// Four inputs of four pixels by 16 channels.
macro_rules! dots_4x16 {
    ($lane:literal) => {
        concat!(
            "ld1 {{v0.16b, v1.16b, v2.16b, v3.16b}}, [{w}], #64\n",
            dots_4x4!(0, $lane, 16, 20, 24, 28),
            dots_4x4!(1, $lane, 17, 21, 25, 29),
            dots_4x4!(2, $lane, 18, 22, 26, 30),
            dots_4x4!(3, $lane, 19, 23, 27, 31),
        )
    };
}

/// Four inputs of four pixels by 8 channels, whose weights are in $w0 and $w1.
macro_rules! dots_4x8 {
    ($w0:literal, $w1:literal, $lane:literal) => {
        concat!(dots_4x4!($w0, $lane, 16, 20, 24, 28), dots_4x4!($w1, $lane, 17, 21, 25, 29))
    };
}

/// Four inputs of one pixel by 16 channels.
macro_rules! dots_1x16 {
    ($lane:literal) => {
        concat!(
            "ld1 {{v0.16b, v1.16b, v2.16b, v3.16b}}, [{w}], #64\n",
            dot!(16, 0, 4, $lane),
            dot!(17, 1, 4, $lane),
            dot!(18, 2, 4, $lane),
            dot!(19, 3, 4, $lane),
        )
    };
}

/// Four inputs of one pixel (v24) by 32 channels, of two blocks.
macro_rules! dots_1x32 {
    ($lane:literal) => {
        concat!(
            "ld1 {{v0.16b, v1.16b, v2.16b, v3.16b}}, [{w}], #64\n",
            "ld1 {{v4.16b, v5.16b, v6.16b, v7.16b}}, [{v}], #64\n",
            dot!(16, 0, 24, $lane),
            dot!(17, 1, 24, $lane),
            dot!(18, 2, 24, $lane),
            dot!(19, 3, 24, $lane),
            dot!(20, 4, 24, $lane),
            dot!(21, 5, 24, $lane),
            dot!(22, 6, 24, $lane),
            dot!(23, 7, 24, $lane),
        )
    };
}

/// The loop over inputs: `{n}` times 32 of them, 16 where bit 4 of `{k}` says so, then `{q}` times four, of up to three.
macro_rules! inputs {
    ($load:expr, $by16:expr, $first:expr, $second:expr, $third:expr) => {
        concat!(
            "cbz {n}, 3f\n",
            "2:\n",
            $load,
            $by16,
            $load,
            $by16,
            "subs {n}, {n}, #1\n b.ne 2b\n",
            "3: tbz {k}, #4, 5f\n",
            $load,
            $by16,
            "5: cbz {q}, 4f\n",
            $load,
            $first,
            "cmp {q}, #2\n b.lo 4f\n",
            $second,
            "b.eq 4f\n",
            $third,
            "4:\n",
        )
    };
}

/// Pixels of a tile.
macro_rules! tile {
    ($code:expr, $k:ident, $w:ident, $bias:ident, [$($x:ident = $from:expr),*], [$($acc:ident = $reg:tt),*]) => {
        asm!(
            $code,
            n = inout(reg) $k / 32 => _, k = in(reg) $k, q = in(reg) $k / 4 % 4, w = inout(reg) $w => _, b = in(reg) $bias,
            $($x = inout(reg) $from => _,)*
            $(out($reg) $acc,)*
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            options(nostack, readonly),
        )
    };
}

/// 16 inputs of four pixels.
macro_rules! load_4 {
    () => {
        "ldr q4, [{x0}], #16\n ldr q5, [{x1}], #16\n ldr q6, [{x2}], #16\n ldr q7, [{x3}], #16\n"
    };
}

/// Sums of a tile: of each pixel, one vector per four channels.
type Sums<const PIXELS: usize, const VECTORS: usize> = [[int32x4_t; VECTORS]; PIXELS];

/// Computes the sums of 4 pixels by 16 channels.
///
/// # Safety
/// The CPU has the dot product. `k` (a multiple of 4) bytes, rounded up to 16, may be read at each pixel, `16 * k` at `w`, 16
/// words at `b`.
#[target_feature(enable = "dotprod")]
#[inline]
unsafe fn four_by_16(x: [*const i8; 4], k: usize, w: *const i8, b: *const i32) -> Sums<4, 4> {
    let (s0, s1, s2, s3, s4, s5, s6, s7);
    let (t0, t1, t2, t3, t4, t5, t6, t7);
    // SAFETY: the caller's; every register that is written is declared.
    unsafe {
        tile!(
            concat!(
                "ld1 {{v16.4s, v17.4s, v18.4s, v19.4s}}, [{b}]\n ld1 {{v20.4s, v21.4s, v22.4s, v23.4s}}, [{b}]\n",
                "ld1 {{v24.4s, v25.4s, v26.4s, v27.4s}}, [{b}]\n ld1 {{v28.4s, v29.4s, v30.4s, v31.4s}}, [{b}]\n",
                inputs!(
                    load_4!(),
                    concat!(dots_4x16!(0), dots_4x16!(1), dots_4x16!(2), dots_4x16!(3)),
                    dots_4x16!(0),
                    dots_4x16!(1),
                    dots_4x16!(2)
                ),
            ),
            k,
            w,
            b,
            [x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3]],
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
    [[s0, s1, s2, s3], [s4, s5, s6, s7], [t0, t1, t2, t3], [t4, t5, t6, t7]]
}

/// Computes the sums of 4 pixels by 8 channels.
///
/// # Safety
/// As [`four_by_16`], of 8 channels.
#[target_feature(enable = "dotprod")]
#[inline]
unsafe fn four_by_8(x: [*const i8; 4], k: usize, w: *const i8, b: *const i32) -> Sums<4, 2> {
    let (s0, s1, s2, s3, s4, s5, s6, s7);
    // SAFETY: the caller's; every register that is written is declared.
    unsafe {
        tile!(
            concat!(
                "ldp q16, q17, [{b}]\n ldp q20, q21, [{b}]\n ldp q24, q25, [{b}]\n ldp q28, q29, [{b}]\n",
                inputs!(
                    load_4!(),
                    concat!(
                        "ld1 {{v0.16b, v1.16b, v2.16b, v3.16b}}, [{w}], #64\n",
                        dots_4x8!(0, 1, 0),
                        dots_4x8!(2, 3, 1),
                        "ld1 {{v0.16b, v1.16b, v2.16b, v3.16b}}, [{w}], #64\n",
                        dots_4x8!(0, 1, 2),
                        dots_4x8!(2, 3, 3)
                    ),
                    concat!("ldp q0, q1, [{w}], #32\n", dots_4x8!(0, 1, 0)),
                    concat!("ldp q0, q1, [{w}], #32\n", dots_4x8!(0, 1, 1)),
                    concat!("ldp q0, q1, [{w}], #32\n", dots_4x8!(0, 1, 2))
                ),
            ),
            k,
            w,
            b,
            [x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3]],
            [s0 = "v16", s1 = "v17", s2 = "v20", s3 = "v21", s4 = "v24", s5 = "v25", s6 = "v28", s7 = "v29"]
        );
    }
    [[s0, s1], [s2, s3], [s4, s5], [s6, s7]]
}

/// Computes the sums of 4 pixels by 4 channels.
///
/// # Safety
/// As [`four_by_16`], of 4 channels.
#[target_feature(enable = "dotprod")]
#[inline]
unsafe fn four_by_4(x: [*const i8; 4], k: usize, w: *const i8, b: *const i32) -> Sums<4, 1> {
    let (s0, s1, s2, s3);
    // SAFETY: the caller's; every register that is written is declared.
    unsafe {
        tile!(
            concat!(
                "ldr q16, [{b}]\n ldr q20, [{b}]\n ldr q24, [{b}]\n ldr q28, [{b}]\n",
                inputs!(
                    load_4!(),
                    concat!(
                        "ld1 {{v0.16b, v1.16b, v2.16b, v3.16b}}, [{w}], #64\n",
                        dots_4x4!(0, 0, 16, 20, 24, 28),
                        dots_4x4!(1, 1, 16, 20, 24, 28),
                        dots_4x4!(2, 2, 16, 20, 24, 28),
                        dots_4x4!(3, 3, 16, 20, 24, 28)
                    ),
                    concat!("ldr q0, [{w}], #16\n", dots_4x4!(0, 0, 16, 20, 24, 28)),
                    concat!("ldr q0, [{w}], #16\n", dots_4x4!(0, 1, 16, 20, 24, 28)),
                    concat!("ldr q0, [{w}], #16\n", dots_4x4!(0, 2, 16, 20, 24, 28))
                ),
            ),
            k,
            w,
            b,
            [x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3]],
            [s0 = "v16", s1 = "v20", s2 = "v24", s3 = "v28"]
        );
    }
    [[s0], [s1], [s2], [s3]]
}

/// Computes the sums of 1 pixel by 16 channels.
///
/// # Safety
/// As [`four_by_16`], of 1 pixel.
#[target_feature(enable = "dotprod")]
#[inline]
unsafe fn one_by_16(x: *const i8, k: usize, w: *const i8, b: *const i32) -> [int32x4_t; 4] {
    let (s0, s1, s2, s3);
    // SAFETY: the caller's; every register that is written is declared.
    unsafe {
        tile!(
            concat!(
                "ld1 {{v16.4s, v17.4s, v18.4s, v19.4s}}, [{b}]\n",
                inputs!(
                    "ldr q4, [{x0}], #16\n",
                    concat!(dots_1x16!(0), dots_1x16!(1), dots_1x16!(2), dots_1x16!(3)),
                    dots_1x16!(0),
                    dots_1x16!(1),
                    dots_1x16!(2)
                ),
            ),
            k,
            w,
            b,
            [x0 = x],
            [s0 = "v16", s1 = "v17", s2 = "v18", s3 = "v19"]
        );
    }
    [s0, s1, s2, s3]
}

/// Computes the sums of 1 pixel by 32 channels, of two blocks.
///
/// # Safety
/// As [`four_by_16`], of 1 pixel and two blocks.
#[target_feature(enable = "dotprod")]
#[inline]
unsafe fn one_by_32(x: *const i8, k: usize, w: [*const i8; 2], b: [*const i32; 2]) -> Sums<2, 4> {
    let (s0, s1, s2, s3, s4, s5, s6, s7);
    let _inputs: int32x4_t;
    let ([w, v], [b, c]) = (w, b);
    // SAFETY: the caller's; every register that is written is declared.
    unsafe {
        tile!(
            concat!(
                "ld1 {{v16.4s, v17.4s, v18.4s, v19.4s}}, [{b}]\n ld1 {{v20.4s, v21.4s, v22.4s, v23.4s}}, [{c}]\n",
                inputs!(
                    "ldr q24, [{x0}], #16\n",
                    concat!(dots_1x32!(0), dots_1x32!(1), dots_1x32!(2), dots_1x32!(3)),
                    dots_1x32!(0),
                    dots_1x32!(1),
                    dots_1x32!(2)
                ),
            ),
            k,
            w,
            b,
            [x0 = x, v = v, c = c],
            [
                s0 = "v16",
                s1 = "v17",
                s2 = "v18",
                s3 = "v19",
                s4 = "v20",
                s5 = "v21",
                s6 = "v22",
                s7 = "v23",
                _inputs = "v24"
            ]
        );
    }
    [[s0, s1, s2, s3], [s4, s5, s6, s7]]
}

/// Computes output rows of a convolution.
///
/// # Errors
/// Also on a CPU without the dot product.
pub fn run(
    p: &Packed<'_>,
    kind: Kind,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
) -> KernelResult {
    if !super::is_available() {
        return Err(LengthError);
    }
    image::conv2d(p, (&LAYOUT, kind), input, output, rows, scratch, pixels)
}

/// Computes the pixels of `run` in blocks of channels.
///
/// # Safety
/// The CPU has the dot product; as [`Run`] and [`Layer`] say; the constants have the lengths of the packing.
unsafe fn pixels(run: &Run, layer: &Layer<'_>) {
    // SAFETY: the caller's.
    unsafe {
        match layer.records.first().copied().unwrap_or_default() {
            scaling::SINGLE => either::<{ scaling::SINGLE }>(run, layer),
            scaling::SINGLE_LEFT => blocks::<{ scaling::SINGLE_LEFT }, true>(run, layer),
            scaling::TFLITE_POSITIVE => either::<{ scaling::TFLITE_POSITIVE }>(run, layer),
            scaling::TFLITE => either::<{ scaling::TFLITE }>(run, layer),
            _ => blocks::<{ scaling::TFLITE_LEFT }, true>(run, layer),
        }
    }
}

/// [`blocks`] with the bounds of `layer`, which the narrowing to int8 often has already.
///
/// # Safety
/// As [`pixels`].
unsafe fn either<const MODE: i32>(run: &Run, layer: &Layer<'_>) {
    // SAFETY: the caller's.
    unsafe {
        if [layer.range.low, layer.range.high] == [-128, 127] {
            blocks::<MODE, false>(run, layer);
        } else {
            blocks::<MODE, true>(run, layer);
        }
    }
}

/// # Safety
/// As [`pixels`].
#[target_feature(enable = "dotprod")]
unsafe fn blocks<const MODE: i32, const CLAMP: bool>(run: &Run, layer: &Layer<'_>) {
    let k = layer.inputs.next_multiple_of(4);
    let mut weights = layer.weights.as_ptr();
    let mut records = layer.records.as_ptr().wrapping_add(HEADER_WORDS);
    let bounds = Bounds::new(&layer.range);
    let (mut sixteens, others) = Blocks::new(layer.channels, LANES[0], LANES[1]).split();
    let mut run = *run;
    let first = run.y;
    if run.pixels == 1 {
        // Two blocks at a time: registers for other pixels are free.
        while sixteens >= 2 {
            let after = (weights.wrapping_add(16 * k), records.wrapping_add(16 * WORDS));
            // SAFETY: the caller's; the packing has so many weights and records for each block.
            unsafe {
                let sums = one_by_32(run.x, k, [weights, after.0], [records, after.1]);
                for (sums, record) in sums.into_iter().zip([records, after.1]) {
                    let scale = Scale::<4>::read(record.add(16));
                    let scaled = core::array::from_fn(|i| scale.apply::<MODE>(i, sums[i]));
                    vst1q_s8(run.y, bounds.narrow::<CLAMP>(scaled));
                    run.y = run.y.wrapping_add(16);
                }
            }
            weights = weights.wrapping_add(32 * k);
            records = records.wrapping_add(32 * WORDS);
            sixteens -= 2;
        }
    }
    for _ in 0..sixteens {
        // SAFETY: as above.
        unsafe { sixteen::<MODE, CLAMP>(&run, k, weights, records, &bounds) };
        run.y = run.y.wrapping_add(16);
        weights = weights.wrapping_add(16 * k);
        records = records.wrapping_add(16 * WORDS);
    }
    for block in others {
        run.y = first.wrapping_add(block.first);
        // SAFETY: as above.
        unsafe {
            match block.lanes {
                16 => sixteen_outlined::<MODE, CLAMP>(&run, k, weights, records, &bounds),
                8 => eight::<MODE, CLAMP>(&run, k, weights, records, &bounds),
                _ => four::<MODE, CLAMP>(&run, k, weights, records, &bounds, layer.channels.min(4)),
            }
        }
        weights = weights.wrapping_add(block.lanes * k);
        records = records.wrapping_add(block.lanes * WORDS);
    }
}

/// [`sixteen`] as a function of its own, for a last block.
///
/// # Safety
/// As there.
#[target_feature(enable = "dotprod")]
#[inline(never)]
unsafe fn sixteen_outlined<const MODE: i32, const CLAMP: bool>(
    run: &Run,
    k: usize,
    w: *const i8,
    record: *const i32,
    bounds: &Bounds,
) {
    // SAFETY: the caller's.
    unsafe { sixteen::<MODE, CLAMP>(run, k, w, record, bounds) }
}

/// The pixels of a run four at a time; where fewer are left, the last one again instead of those that are missing.
struct Tiles {
    x: *const i8,
    y: *mut i8,
    /// Distances of the second, third and fourth pixel of a tile from the first one, of inputs and outputs.
    second: [usize; 2],
    third: [usize; 2],
    fourth: [usize; 2],
    rest: usize,
}

impl Tiles {
    #[inline(always)]
    fn new(run: &Run) -> Self {
        let steps = [run.x_step, run.y_step];
        let [third, fourth] = [2, 3].map(|times| steps.map(|step| times * step));
        Self { x: run.x, y: run.y, second: steps, third, fourth, rest: run.pixels }
    }
}

impl Iterator for Tiles {
    type Item = ([*const i8; 4], [*mut i8; 4]);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        match self.rest {
            0 => return None,
            1 => (self.second, self.third, self.fourth) = ([0; 2], [0; 2], [0; 2]),
            2 => (self.third, self.fourth) = (self.second, self.second),
            3 => self.fourth = self.third,
            _ => {}
        }
        let steps = [[0; 2], self.second, self.third, self.fourth];
        let tile = (steps.map(|[x, _]| self.x.wrapping_add(x)), steps.map(|[_, y]| self.y.wrapping_add(y)));
        self.x = self.x.wrapping_add(self.second[0] + self.fourth[0]);
        self.y = self.y.wrapping_add(self.second[1] + self.fourth[1]);
        self.rest = self.rest.saturating_sub(4);
        Some(tile)
    }
}

/// # Safety
/// As [`pixels`], for one block of 16 channels.
#[target_feature(enable = "dotprod")]
#[inline]
unsafe fn sixteen<const MODE: i32, const CLAMP: bool>(
    run: &Run,
    k: usize,
    w: *const i8,
    record: *const i32,
    bounds: &Bounds,
) {
    let (mut x, mut y, mut rest) = (run.x, run.y, run.pixels);
    loop {
        while rest >= 4 {
            let pixels = [0, 1, 2, 3].map(|i| x.wrapping_add(i * run.x_step));
            // SAFETY: the caller's.
            unsafe {
                let sums = four_by_16(pixels, k, w, record);
                let scale = Scale::<4>::read(record.add(16));
                for sums in sums {
                    vst1q_s8(y, bounds.narrow::<CLAMP>(core::array::from_fn(|i| scale.apply::<MODE>(i, sums[i]))));
                    y = y.wrapping_add(run.y_step);
                }
            }
            x = x.wrapping_add(4 * run.x_step);
            rest -= 4;
        }
        if rest < 2 || run.pixels < 4 {
            break;
        }
        // Two or three are left: some of those before are computed again.
        x = x.wrapping_sub((4 - rest) * run.x_step);
        y = y.wrapping_sub((4 - rest) * run.y_step);
        rest = 4;
    }
    for _ in 0..rest {
        // SAFETY: the caller's.
        unsafe { one::<MODE, CLAMP>(x, y, k, w, record, bounds) };
        x = x.wrapping_add(run.x_step);
        y = y.wrapping_add(run.y_step);
    }
}

/// # Safety
/// As [`pixels`], for one pixel and one block of 16 channels.
#[target_feature(enable = "dotprod")]
#[inline]
unsafe fn one<const MODE: i32, const CLAMP: bool>(
    x: *const i8,
    y: *mut i8,
    k: usize,
    w: *const i8,
    record: *const i32,
    bounds: &Bounds,
) {
    // SAFETY: the caller's.
    unsafe {
        let sums = one_by_16(x, k, w, record);
        let scale = Scale::<4>::read(record.add(16));
        vst1q_s8(y, bounds.narrow::<CLAMP>(core::array::from_fn(|i| scale.apply::<MODE>(i, sums[i]))));
    }
}

/// # Safety
/// As [`pixels`], for one block of 8 channels.
#[target_feature(enable = "dotprod")]
unsafe fn eight<const MODE: i32, const CLAMP: bool>(
    run: &Run,
    k: usize,
    w: *const i8,
    record: *const i32,
    bounds: &Bounds,
) {
    for (x, y) in Tiles::new(run) {
        // SAFETY: the caller's.
        unsafe {
            let sums = four_by_8(x, k, w, record);
            let scale = Scale::<2>::read(record.add(8));
            let scaled = sums.map(|[a, b]| [scale.apply::<MODE>(0, a), scale.apply::<MODE>(1, b)]);
            for i in [0, 2] {
                let [[a, b], [c, d]] = [scaled[i], scaled[i + 1]];
                let two = vreinterpretq_s64_s8(bounds.narrow::<CLAMP>([a, b, c, d]));
                vst1q_lane_s64::<0>(y[i].cast(), two);
                vst1q_lane_s64::<1>(y[i + 1].cast(), two);
            }
        }
    }
}

/// # Safety
/// As [`pixels`], for one block of 4 channels, of which the image has `channels`.
#[target_feature(enable = "dotprod")]
unsafe fn four<const MODE: i32, const CLAMP: bool>(
    run: &Run,
    k: usize,
    w: *const i8,
    record: *const i32,
    bounds: &Bounds,
    channels: usize,
) {
    for (x, y) in Tiles::new(run) {
        // SAFETY: the caller's.
        unsafe {
            let sums = four_by_4(x, k, w, record);
            let scale = Scale::<1>::read(record.add(4));
            let outputs = vreinterpretq_s32_s8(bounds.narrow::<CLAMP>(sums.map(|[a]| scale.apply::<MODE>(0, a))));
            store_four(y[0], vgetq_lane_s32::<0>(outputs), channels);
            store_four(y[1], vgetq_lane_s32::<1>(outputs), channels);
            store_four(y[2], vgetq_lane_s32::<2>(outputs), channels);
            store_four(y[3], vgetq_lane_s32::<3>(outputs), channels);
        }
    }
}
