//! The products and outputs of [`crate::arch::x86::winograd`] in registers of 512 bits.

use core::arch::asm;
use core::arch::x86_64::*;
use core::ops::Range;

use tanbo_packing::Layout;
use tanbo_packing::winograd::{BATCH, BLOCK, PATCH, TILE, VNNI_WINOGRAD};

use super::registers::{Bounds, Scale};
use crate::arch::x86::winograd::{self, Batch, INVERSE_OF_9, Lanes, Lines, Points, outwards};
use crate::arch::x86::{BENT, LINE};
use crate::{KernelResult, Packed, Rows, RowsMut};

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn conv2d(
    p: &Packed<'_>,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
) -> KernelResult {
    // SAFETY: this function is compiled for the instructions.
    unsafe { winograd::conv2d::<Registers>(p, input, output, rows, scratch) }
}

struct Registers;

impl Points for Registers {
    const LAYOUT: Layout = VNNI_WINOGRAD;

    #[inline(always)]
    unsafe fn inwards<const EDGE: bool>(lines: &Lines, place: usize, inside: [usize; 2], to: *mut u8) {
        // SAFETY: the caller's.
        unsafe { inwards::<EDGE>(lines, place, inside, to) }
    }

    #[inline(always)]
    unsafe fn products<const M: usize>(batch: &Batch, first: usize) {
        // SAFETY: the caller's.
        unsafe { products::<M>(batch, first) }
    }

    #[inline(always)]
    unsafe fn outputs<const MODE: i32>(batch: &Batch) {
        // SAFETY: the caller's.
        unsafe { outputs::<MODE>(batch) }
    }
}

/// Transforms inputs.
///
/// # Safety
/// As for [`winograd::inwards`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline(never)]
unsafe fn inwards<const EDGE: bool>(lines: &Lines, place: usize, inside: [usize; 2], to: *mut u8) {
    // SAFETY: the caller's.
    unsafe { winograd::inwards::<EDGE>(lines, place, inside, to) }
}

/// Computes the sums of `M` tiles from the `first` on, and transforms their rows: `[PATCH][TILE][BATCH][BLOCK]`. Per pair of
/// channels and row of points 6 loads of weights and `6·M` `VPDPWSSD` of 32 products, each with a broadcast of its own.
///
/// # Safety
/// The batch's pointers reach as far as its numbers say.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline(never)]
unsafe fn products<const M: usize>(batch: &Batch, first: usize) {
    // SAFETY: the caller's.
    unsafe {
        let length = batch.blocks.wrapping_mul(2 * BLOCK * PATCH);
        let mut inputs = batch.inputs.add(length.wrapping_mul(first));
        let mut weights = batch.weights;
        let mut sums = batch.sums.add(first.wrapping_mul(BLOCK));
        for row in 0..PATCH {
            // The bias at the one point that every output takes as it is.
            let bias = _mm512_maskz_loadu_epi32(if row == 1 { 0xffff } else { 0 }, batch.records);
            let mut y = [[_mm512_setzero_si512(); PATCH]; M];
            let mut places = [inputs; M];
            each!(m < M {
                y[m][1] = bias;
                places[m] = inputs.add(length.wrapping_mul(m));
            });
            let (mut at, mut end) = (0usize, 2 * BLOCK);
            loop {
                macro_rules! point {
                    ($($j:literal)*) => {$(
                        let w = _mm512_loadu_si512(weights.add(64 * $j).cast());
                        each!(m < M { y[m][$j] = dot::<{ 2 * BLOCK * $j }>(y[m][$j], w, places[m], at); });
                    )*};
                }
                point!(0 1 2 3 4 5);
                weights = weights.add(64 * PATCH);
                at = at.wrapping_add(4);
                if at == end {
                    at = at.wrapping_add(2 * BLOCK * (PATCH - 1));
                    end = at.wrapping_add(2 * BLOCK);
                    if at == length {
                        break;
                    }
                }
            }
            each!(m < M {
                let row = outwards(y[m]);
                each!(x < TILE { _mm512_store_si512(sums.add((x * BATCH + m) * BLOCK).cast(), row[x]); });
            });
            inputs = inputs.add(length.wrapping_mul(BATCH));
            sums = sums.add(TILE * BATCH * BLOCK);
        }
    }
}

/// Adds to `sums` the products of `weights` and the pair of int16 at `place + at + DISTANCE`. In assembly, since the compiler makes
/// two instructions of the intrinsic, and a third one of the broadcast.
///
/// # Safety
/// The place has four bytes.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
unsafe fn dot<const DISTANCE: usize>(mut sums: __m512i, weights: __m512i, place: *const u8, at: usize) -> __m512i {
    // SAFETY: it reads what the caller vouches for, and changes one register.
    unsafe {
        asm!(
            "vpdpwssd {sums}, {weights}, dword ptr [{place} + {at} + {distance}]{{1to16}}",
            sums = inout(zmm_reg) sums,
            weights = in(zmm_reg) weights,
            place = in(reg) place,
            at = in(reg) at,
            distance = const DISTANCE,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    sums
}

impl Lanes for __m512i {
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller's.
        unsafe { _mm512_add_epi32(self, other) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: the caller's.
        unsafe { _mm512_sub_epi32(self, other) }
    }

    #[inline(always)]
    unsafe fn shifted<const BITS: i32>(self) -> Self {
        // SAFETY: the caller's.
        unsafe { _mm512_sllv_epi32(self, _mm512_set1_epi32(BITS)) }
    }
}

/// Computes outputs from the sums, tile by tile, column by column.
///
/// # Safety
/// As for [`products`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline(never)]
unsafe fn outputs<const MODE: i32>(batch: &Batch) {
    // SAFETY: the caller's.
    unsafe {
        let scale = Scale::load(batch.records, 0);
        let bounds = Bounds::new(batch.zero_point, batch.low, batch.high);
        let inverse = _mm512_set1_epi32(INVERSE_OF_9);
        for (tile, place) in batch.places.iter().enumerate().take(batch.tiles) {
            let sums = batch.sums.add(tile.wrapping_mul(BLOCK));
            each!(x < TILE {
                let mut rows = [_mm512_setzero_si512(); PATCH];
                each!(i < PATCH { rows[i] = _mm512_load_si512(sums.add((i * TILE + x) * BATCH * BLOCK).cast()); });
                let mut y = outwards(rows);
                each!(i < TILE {
                    let a = if MODE == LINE || MODE == BENT { y[i] } else { _mm512_mullo_epi32(y[i], inverse) };
                    y[i] = scale.apply::<MODE>(a);
                });
                let bytes = bounds.pack(y[0], y[1], y[2], y[3]);
                let parts = [
                    _mm512_castsi512_si128(bytes),
                    _mm512_extracti32x4_epi32::<1>(bytes),
                    _mm512_extracti32x4_epi32::<2>(bytes),
                    _mm512_extracti32x4_epi32::<3>(bytes),
                ];
                if x < place.columns {
                    let to = place.output.add(batch.step[0].wrapping_mul(x));
                    each!(i < TILE {
                        if i < place.rows {
                            _mm_storeu_si128(to.add(batch.step[1].wrapping_mul(i)).cast(), parts[i]);
                        }
                    });
                }
            });
        }
    }
}
