//! The products and outputs of [`crate::arch::x86::winograd`] in registers of 256 bits.

use core::arch::x86_64::*;
use core::ops::Range;

use tanbo_packing::Layout;
use tanbo_packing::winograd::{AVX2_WINOGRAD, BATCH, BLOCK, PATCH, TILE};

use super::registers::{Bounds, Scale, record};
use crate::arch::x86::winograd::{self, Batch, INVERSE_OF_9, Lanes, Lines, Points, outwards};
use crate::{KernelResult, Packed, Rows, RowsMut};

#[target_feature(enable = "avx2")]
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

/// Output channels in a register.
const LANES: usize = 8;

impl Points for Registers {
    const LAYOUT: Layout = AVX2_WINOGRAD;

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
#[target_feature(enable = "avx2")]
#[inline(never)]
unsafe fn inwards<const EDGE: bool>(lines: &Lines, place: usize, inside: [usize; 2], to: *mut u8) {
    // SAFETY: the caller's.
    unsafe { winograd::inwards::<EDGE>(lines, place, inside, to) }
}

/// Computes the sums of `M` tiles from the `first` on: `[PATCH][PATCH][BATCH][BLOCK]`. Per pair of channels and point 2 loads of
/// weights, `M` broadcasts and `2·M` `VPMADDWD` of 16 products and `VPADDD`.
///
/// # Safety
/// The batch's pointers reach as far as its numbers say.
#[target_feature(enable = "avx2")]
#[inline(never)]
unsafe fn products<const M: usize>(batch: &Batch, first: usize) {
    // SAFETY: the caller's.
    unsafe {
        let length = batch.blocks.wrapping_mul(2 * BLOCK * PATCH);
        let mut inputs = batch.inputs.add(length.wrapping_mul(first));
        let mut weights = batch.weights;
        let mut sums = batch.sums.add(first.wrapping_mul(BLOCK));
        for row in 0..PATCH {
            for column in 0..PATCH {
                let mut y = [[_mm256_setzero_si256(); 2]; M];
                if row == 1 && column == 1 {
                    // The bias at the one point that every output takes as it is.
                    let bias = [record(batch.records, 0, 0), record(batch.records, 1, 0)];
                    each!(m < M { y[m] = bias; });
                }
                let mut places = [inputs; M];
                each!(m < M { places[m] = inputs.add(length.wrapping_mul(m)).add(2 * BLOCK * column); });
                let mut pair = weights.add(4 * BLOCK * column);
                let (mut at, mut end) = (0usize, 2 * BLOCK);
                loop {
                    let w = [_mm256_loadu_si256(pair.cast()), _mm256_loadu_si256(pair.add(32).cast())];
                    each!(m < M {
                        let x = _mm256_set1_epi32(places[m].add(at).cast::<i32>().read_unaligned());
                        y[m][0] = _mm256_add_epi32(y[m][0], _mm256_madd_epi16(x, w[0]));
                        y[m][1] = _mm256_add_epi32(y[m][1], _mm256_madd_epi16(x, w[1]));
                    });
                    pair = pair.add(4 * BLOCK * PATCH);
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
                    _mm256_store_si256(sums.add(m * BLOCK).cast(), y[m][0]);
                    _mm256_store_si256(sums.add(m * BLOCK + LANES).cast(), y[m][1]);
                });
                sums = sums.add(BATCH * BLOCK);
            }
            inputs = inputs.add(length.wrapping_mul(BATCH));
            weights = weights.add(length.wrapping_mul(BLOCK));
        }
    }
}

impl Lanes for __m256i {
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller's.
        unsafe { _mm256_add_epi32(self, other) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: the caller's.
        unsafe { _mm256_sub_epi32(self, other) }
    }

    #[inline(always)]
    unsafe fn shifted<const BITS: i32>(self) -> Self {
        // SAFETY: the caller's.
        unsafe { _mm256_slli_epi32::<BITS>(self) }
    }
}

/// Computes outputs from the sums, tile by tile: the rows of sums are transformed first, then column by column.
///
/// # Safety
/// As for [`products`].
#[target_feature(enable = "avx2")]
#[inline(never)]
unsafe fn outputs<const MODE: i32>(batch: &Batch) {
    // SAFETY: the caller's.
    unsafe {
        let bounds = Bounds::new(batch.zero_point, batch.low, batch.high);
        let inverse = _mm256_set1_epi32(INVERSE_OF_9);
        for (tile, place) in batch.places.iter().enumerate().take(batch.tiles) {
            let mut columns = [[[_mm256_setzero_si256(); PATCH]; 2]; TILE];
            let sums = batch.sums.add(tile.wrapping_mul(BLOCK));
            each!(i < PATCH {
                let row = sums.add(i * PATCH * BATCH * BLOCK);
                each!(half < 2 {
                    let mut m = [_mm256_setzero_si256(); PATCH];
                    each!(j < PATCH { m[j] = _mm256_load_si256(row.add(j * BATCH * BLOCK + half * LANES).cast()); });
                    let y = outwards(m);
                    each!(x < TILE { columns[x][half][i] = y[x]; });
                });
            });
            for (x, column) in columns.iter().enumerate().take(place.columns) {
                let mut y = [[_mm256_setzero_si256(); TILE]; 2];
                each!(half < 2 {
                    let scale = Scale::load(batch.records, half);
                    y[half] = outwards(column[half]);
                    each!(i < TILE { y[half][i] = scale.apply::<MODE>(_mm256_mullo_epi32(y[half][i], inverse)); });
                });
                let to = place.output.add(batch.step[0].wrapping_mul(x));
                each!(two < 2 {
                    let bytes = bounds.pack(y[0][2 * two], y[1][2 * two], y[0][2 * two + 1], y[1][2 * two + 1]);
                    let parts = [_mm256_castsi256_si128(bytes), _mm256_extracti128_si256::<1>(bytes)];
                    each!(i < 2 {
                        if 2 * two + i < place.rows {
                            _mm_storeu_si128(to.add(batch.step[1].wrapping_mul(2 * two + i)).cast(), parts[i]);
                        }
                    });
                });
            }
        }
    }
}
