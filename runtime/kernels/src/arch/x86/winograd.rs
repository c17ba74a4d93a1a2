//! 3x3 convolutions with stride 1 by Winograd's F(4x4, 3x3) in exact integers: 36 products of int16 for each pair of channels
//! in place of the 144 of a tile of 4x4 outputs.
//!
//! In matrices, `y = A^T [(G w G^T) . (B^T x B)] A` (Lavin and Gray, arXiv:1509.09308), with
//!
//! ```text
//!       4  0 -5  0  1  0         6   0   0          1  1  1  1  1  0
//!       0 -4 -4  1  1  0        -4  -4  -4          0  1 -1  2 -2  0
//! B^T = 0  4 -4 -1  1  0   G' = -4   4  -4    A'T = 0  1  1  4  4  0
//!       0 -2 -1  2  1  0         1   2   4          0  1 -1  8 -8  2
//!       0  2 -1 -2  1  0         1  -2   4
//!       0  4  0 -5  0  1         0   0  12
//! ```
//!
//! where `G'` is 24 times `G`, its last row halved, which the last column of `A'` makes good. All is integer, and `y` is 576 times
//! the sum `a` of the products, modulo 2^32 whatever wraps on the way:
//!
//! - `B^T x B` fits int16: the magnitudes of a row of `B^T` add up to 10 at most, `10 · 10 · 128 = 12800`. Inputs stay as they
//!   are, with the zero point in the border; the bias takes `zero point · sum of weights` back.
//! - `G' w G'^T` fits int16: `12 · 12 · 128 = 18432` at most. The packer computes it and asks.
//! - `VPMADDWD` adds two products of at most `18432 · 12800 < 2^28` each.
//! - `576 = 9 · 64`. Multiplied by the inverse of 9 modulo 2^32, the sum is `64·a` modulo 2^32: `64·a` itself where
//!   `|a| < 2^25`, which the packer proves for each output channel from its weights and bias.
//!
//! Requantization takes `64·a` as its accumulator with a right shift `s` larger by 6, so that every rounding is an addition to
//! the upper half `hi` of the product `64·a·m`: floors nest. With single rounding `(hi + 2^(s+4)) >> (s+5)` ([`HIGH`]). With
//! TensorFlow Lite's two roundings `floor((hi + 16) / 32)` is the first; the second adds `2^(s-1)`, less 1 where `a < 0`, and
//! divides by `2^s`: `(hi + 16 + 2^(s+4) - 32·[a < 0]) >> (s+5)` ([`SIGNED`]). What `a < 0` subtracts matters not where results
//! below the zero point are clamped to it. As a line in floats ([`LINE`], [`BENT`]) it takes `576·a` as it is, where that fits 32 bits.

use core::arch::x86_64::*;
use core::ops::Range;

use tanbo_packing::winograd::{ALIGN, BATCH, BLOCK, PATCH, POINTS, TILE, Winograd};
use tanbo_packing::x86::{HEADER_WORDS, LANE_WORDS};
use tanbo_packing::{Kind, Layout};

use super::run::{check, ensure};
use super::{BENT, HIGH, LINE, SIGNED};
use crate::{KernelResult, LengthError, Packed, Rows, RowsMut};

/// The inverse of 9 modulo 2^32.
pub const INVERSE_OF_9: i32 = 0x38e3_8e39;

/// Tiles whose sums are in registers at a time.
const GROUP: usize = 4;

/// What a family does with its registers.
pub trait Points {
    /// Its packing.
    const LAYOUT: Layout;

    /// Transforms inputs by [`inwards`].
    ///
    /// # Safety
    /// As there.
    unsafe fn inwards<const EDGE: bool>(lines: &Lines, place: usize, inside: [usize; 2], to: *mut u8);

    /// Computes the sums of all points of `M` tiles of a batch, from the `first` on, for [`BLOCK`] output channels.
    ///
    /// # Safety
    /// The pointers of the batch reach as far as its numbers say.
    unsafe fn products<const M: usize>(batch: &Batch, first: usize);

    /// Computes outputs from the sums, with the requantization [`HIGH`], [`SIGNED`], [`LINE`] or [`BENT`] (the latter on VNNI).
    ///
    /// # Safety
    /// As for [`Points::products`].
    unsafe fn outputs<const MODE: i32>(batch: &Batch);
}

/// Up to [`BATCH`] tiles and [`BLOCK`] output channels.
#[derive(Clone, Copy)]
pub struct Batch {
    /// Number of tiles.
    pub tiles: usize,
    /// Blocks of input channels.
    pub blocks: usize,
    /// `[PATCH][BATCH][blocks][PATCH][BLOCK]` of int16.
    pub inputs: *const u8,
    /// `[PATCH][blocks][BLOCK / 2][PATCH][BLOCK][2]` of int16.
    pub weights: *const u8,
    /// Room for `[PATCH][PATCH][BATCH][BLOCK]`.
    pub sums: *mut i32,
    /// Of the block.
    pub records: *const i32,
    /// Where the tiles' outputs go.
    pub places: [Place; BATCH],
    /// Bytes between output pixels, and between their rows.
    pub step: [usize; 2],
    pub zero_point: i32,
    pub low: i32,
    pub high: i32,
}

/// A tile's outputs: the first channel of its first pixel, and how many pixels lie in the image down and across.
#[derive(Clone, Copy)]
pub struct Place {
    pub output: *mut i8,
    pub rows: usize,
    pub columns: usize,
}

/// A register of sums.
pub trait Lanes: Copy {
    /// # Safety
    /// The CPU has the instructions, here and below.
    unsafe fn add(self, other: Self) -> Self;
    /// # Safety
    /// As above.
    unsafe fn sub(self, other: Self) -> Self;
    /// # Safety
    /// As above.
    unsafe fn shifted<const BITS: i32>(self) -> Self;
}

/// `A'T` times six values.
///
/// # Safety
/// The CPU has the instructions.
#[inline(always)]
pub unsafe fn outwards<T: Lanes>(m: [T; PATCH]) -> [T; TILE] {
    // SAFETY: the caller's.
    unsafe {
        let (s, t) = (m[1].add(m[2]), m[1].sub(m[2]));
        let (u, v) = (m[3].add(m[4]), m[3].sub(m[4]));
        let twice = v.add(v);
        let last = twice.shifted::<2>().add(m[5]).add(m[5]);
        [m[0].add(s).add(u), t.add(twice), s.add(u.shifted::<2>()), t.add(last)]
    }
}

/// `B^T` times six values.
#[target_feature(enable = "avx2")]
#[inline]
fn transform(d: [__m256i; PATCH]) -> [__m256i; PATCH] {
    let (add, sub) = (|a, b| _mm256_add_epi16(a, b), |a, b| _mm256_sub_epi16(a, b));
    let four = |a| _mm256_slli_epi16::<2>(a);
    let (a, b) = (sub(d[4], four(d[2])), sub(d[3], four(d[1])));
    let (c, half) = (sub(d[4], d[2]), sub(d[3], d[1]));
    let e = add(half, half);
    [add(four(sub(d[0], d[2])), c), add(a, b), sub(a, b), add(c, e), sub(c, e), sub(sub(d[5], d[3]), add(e, e))]
}

/// Computes output rows of a convolution.
///
/// # Safety
/// The CPU has the instructions of `M`, and AVX2.
#[inline(always)]
pub unsafe fn conv2d<M: Points>(
    p: &Packed<'_>,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
) -> KernelResult {
    check(&M::LAYOUT, Kind::Conv2d, p, &input, output, &rows, scratch)?;
    let mut segment = |rows: Range<usize>, out: &mut [i8]| {
        ensure(out.len() == rows.len() * p.shape.output[1] * p.shape.output[2])?;
        // SAFETY: the caller's; `check` has compared every other slice with the geometry.
        unsafe { run::<M>(p, &input, out, rows, scratch) }
    };
    if let Some(out) = output.contiguous_mut(rows.clone()) {
        return segment(rows, out);
    }
    rows.into_iter().try_for_each(|row| segment(row..row + 1, output.row_mut(row)))
}

/// Computes rows that follow one another in `out`.
///
/// # Safety
/// The CPU has the instructions; [`check`] has been passed, and `out` has the rows.
#[inline(always)]
unsafe fn run<M: Points>(
    p: &Packed<'_>,
    input: &Rows<'_>,
    out: &mut [i8],
    rows: Range<usize>,
    scratch: &mut [u8],
) -> KernelResult {
    let winograd = Winograd::new(Kind::Conv2d, &p.shape).ok_or(LengthError)?;
    let [_, width, channels] = p.shape.input;
    let [_, out_width, outputs] = p.shape.output;
    let skip = scratch.as_ptr().align_offset(ALIGN);
    let scratch = scratch.get_mut(skip..).ok_or(LengthError)?;
    let (border, scratch) = scratch.split_at_mut_checked(winograd.border).ok_or(LengthError)?;
    border.fill(p.input_zero_point as u8);
    let inputs = scratch.as_mut_ptr();
    let sums = inputs.wrapping_add(PATCH * BATCH * winograd.points).cast::<i32>();
    let mode = p.records.first().copied().unwrap_or(0);
    let count = rows.len().div_ceil(TILE) * winograd.tiles;
    let base = out.as_mut_ptr();
    let left = p.shape.pad[1];
    let next = winograd.points * BATCH;
    let border = border.as_ptr().cast();
    let mut lines = Lines { rows: [border; PATCH], channels, zero_point: p.input_zero_point, next };
    let mut batch = Batch {
        tiles: 0,
        blocks: channels / BLOCK,
        inputs,
        weights: p.weights.as_ptr().cast(),
        sums,
        records: p.records.as_ptr().wrapping_add(HEADER_WORDS),
        places: [Place { output: base, rows: 0, columns: 0 }; BATCH],
        step: [outputs, out_width * outputs],
        zero_point: p.range.zero_point,
        low: p.range.low,
        high: p.range.high,
    };
    let constants = (batch.weights, batch.records);
    let mut done = 0;
    let (mut row, mut column) = (0, 0);
    while done < count {
        batch.tiles = BATCH.min(count - done);
        for (slot, place) in batch.places.iter_mut().enumerate().take(batch.tiles) {
            if column == 0 {
                for (k, line) in lines.rows.iter_mut().enumerate() {
                    let inside = (rows.start + row + k).checked_sub(p.shape.pad[0]).filter(|&y| y < p.shape.input[0]);
                    *line = border;
                    if let Some(y) = inside {
                        let values = input.row(y);
                        ensure(values.len() == width * channels)?;
                        *line = values.as_ptr();
                    }
                }
            }
            let inside = [left.saturating_sub(column).min(PATCH), (width + left).saturating_sub(column).min(PATCH)];
            let first = column.wrapping_sub(left).wrapping_mul(channels);
            let to = inputs.wrapping_add(slot * winograd.points);
            for block in 0..batch.blocks {
                let (place, to) = (first.wrapping_add(BLOCK * block), to.wrapping_add(2 * BLOCK * PATCH * block));
                // SAFETY: six rows of the input, or of the border; the scratch has a place for each slot.
                unsafe {
                    if inside == [0, PATCH] {
                        M::inwards::<false>(&lines, place, inside, to);
                    } else {
                        M::inwards::<true>(&lines, place, inside, to);
                    }
                }
            }
            let pixel = row * out_width + column;
            *place = Place {
                output: base.wrapping_add(pixel * outputs),
                rows: TILE.min(rows.len() - row),
                columns: TILE.min(out_width - column),
            };
            column += TILE;
            if column >= out_width {
                (row, column) = (row + TILE, 0);
            }
        }
        (batch.weights, batch.records) = constants;
        for _ in 0..outputs / BLOCK {
            // SAFETY: weights and records of as many blocks, by `check`; places in the image, as far as they say.
            unsafe {
                for first in (0..batch.tiles).step_by(GROUP) {
                    match batch.tiles - first {
                        1 => M::products::<1>(&batch, first),
                        2 => M::products::<2>(&batch, first),
                        3 => M::products::<3>(&batch, first),
                        _ => M::products::<GROUP>(&batch, first),
                    }
                }
                match mode {
                    LINE => M::outputs::<LINE>(&batch),
                    BENT => M::outputs::<BENT>(&batch),
                    HIGH => M::outputs::<HIGH>(&batch),
                    _ => M::outputs::<SIGNED>(&batch),
                }
            }
            batch.weights = batch.weights.wrapping_add(2 * POINTS * BLOCK * channels);
            batch.records = batch.records.wrapping_add(BLOCK * LANE_WORDS);
            for place in &mut batch.places {
                place.output = place.output.wrapping_add(BLOCK);
            }
        }
        done += batch.tiles;
    }
    Ok(())
}

/// What the tiles of a row of them read: six rows of the input.
#[derive(Clone, Copy)]
pub struct Lines {
    /// Rows of the border where they lie outside the image.
    pub rows: [*const i8; PATCH],
    /// Input channels.
    pub channels: usize,
    pub zero_point: i32,
    /// Bytes from a row of points to the next.
    pub next: usize,
}

/// Transforms [`BLOCK`] channels of six columns, from `place` in the rows on: each column downwards, then each row of what that gives,
/// as `[PATCH][BLOCK]` of int16, to `to` and so on. `EDGE` says that only columns `inside` lie in the image.
///
/// # Safety
/// The CPU has AVX2; the rows have the channels of the columns inside, `to` has room for all points.
#[inline(always)]
pub unsafe fn inwards<const EDGE: bool>(lines: &Lines, place: usize, inside: [usize; 2], to: *mut u8) {
    // SAFETY: the caller's.
    unsafe {
        // Six values that are the zero point: only the second row of `B^T` does not add up to zero.
        let mut outside = [_mm256_setzero_si256(); PATCH];
        outside[1] = _mm256_set1_epi16(lines.zero_point.wrapping_mul(-6) as i16);
        let mut columns = [outside; PATCH];
        each!(x < PATCH {
            if !EDGE || (x >= inside[0] && x < inside[1]) {
                let place = x.wrapping_mul(lines.channels).wrapping_add(place);
                let mut values = [_mm256_setzero_si256(); PATCH];
                each!(y < PATCH {
                    values[y] = _mm256_cvtepi8_epi16(_mm_loadu_si128(lines.rows[y].wrapping_add(place).cast()));
                });
                columns[x] = transform(values);
            }
        });
        each!(y < PATCH {
            let mut values = [_mm256_setzero_si256(); PATCH];
            each!(x < PATCH { values[x] = columns[x][y]; });
            let points = transform(values);
            let to = to.wrapping_add(lines.next.wrapping_mul(y));
            each!(x < PATCH { _mm256_store_si256(to.add(2 * BLOCK * x).cast(), points[x]); });
        });
    }
}
