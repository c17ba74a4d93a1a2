//! The way of a packed step: check lengths, copy the input rows, then one block of output channels after another.

use core::ops::Range;

use tanbo_packing::x86::{Conv, Depthwise, Family, HEADER_WORDS, LANE_WORDS};
use tanbo_packing::{Kind, Layout, Shape};

use crate::{KernelResult, LengthError, Packed, Rows, RowsMut};

/// What a family does with its registers. Every function needs the family's instructions.
pub trait Machine {
    /// Numbers of the family.
    const FAMILY: Family;
    /// Its packing.
    const LAYOUT: Layout;

    /// Copies `count` activations into the image.
    ///
    /// # Safety
    /// `from` has `count` values, `to` room for as many activations and 64 bytes more, which are overwritten.
    unsafe fn copy(from: *const i8, to: *mut u8, count: usize, zero_point: i32);

    /// Writes `value` as an activation `count` times, with the same overrun.
    ///
    /// # Safety
    /// As for [`Machine::copy`].
    unsafe fn fill(to: *mut u8, count: usize, value: i32, zero_point: i32);

    /// Computes `block` with `registers` side by side, from weights of `weight_bytes`.
    ///
    /// # Safety
    /// The pointers of the block reach as far as its numbers say.
    unsafe fn conv(block: &Block, registers: usize, weight_bytes: usize, mode: i32);

    /// Computes rows of a depthwise convolution.
    ///
    /// # Safety
    /// The pointers of the rows reach as far as their numbers say.
    unsafe fn depthwise(rows: &DepthwiseRows, mode: i32);
}

/// Pixels of a convolution and a few registers of output channels. Distances are in bytes.
#[derive(Clone, Copy)]
pub struct Block {
    pub image: *const u8,
    pub weights: *const u8,
    pub records: *const i32,
    /// Number and distance of the runs of taps, down and across.
    pub runs: [(usize, usize); 2],
    pub groups: usize,
    /// Pixels in an output row.
    pub width: usize,
    /// Distance of the pixels down and across.
    pub step: [usize; 2],
    /// First output row.
    pub row: usize,
    pub pixels: usize,
    pub output: *mut i8,
    /// Channels of an output pixel.
    pub channels: usize,
    /// Channels to write.
    pub valid: usize,
    pub zero_point: i32,
    pub low: i32,
    pub high: i32,
}

/// A pixel of a block: which, its column, and where its first tap lies.
#[derive(Clone, Copy)]
pub struct Pixel {
    pub index: usize,
    column: usize,
    place: *const u8,
}

impl Block {
    /// Returns pixel `index`.
    #[inline(always)]
    pub fn pixel(&self, index: usize) -> Pixel {
        let (row, column) = (self.row.wrapping_add(index / self.width), index % self.width);
        let distance = row.wrapping_mul(self.step[0]).wrapping_add(column.wrapping_mul(self.step[1]));
        Pixel { index, column, place: self.image.wrapping_add(distance) }
    }

    /// Calls `many` for `M` pixels, or `one` for a single one, until none is left. Both return the pixel after theirs.
    #[inline(always)]
    pub fn tiles<const M: usize>(&self, many: impl Fn(Pixel) -> Pixel, one: impl Fn(Pixel) -> Pixel) {
        let mut pixel = self.pixel(0);
        loop {
            let left = self.pixels.wrapping_sub(pixel.index);
            if left >= M {
                pixel = many(pixel);
            } else if left == 0 {
                break;
            } else if left > 1 && self.pixels >= M {
                // Some pixels again: the same values.
                many(self.pixel(self.pixels.wrapping_sub(M)));
                break;
            } else {
                pixel = one(pixel);
            }
        }
    }

    /// Returns where `M` pixels lie in the image, and the pixel after them.
    #[inline(always)]
    pub fn places<const M: usize>(&self, pixel: Pixel) -> ([*const u8; M], Pixel) {
        let mut places = [pixel.place; M];
        let mut place = pixel.place;
        let index = pixel.index.wrapping_add(M);
        let column = pixel.column.wrapping_add(M);
        if column < self.width {
            each!(m < M {
                places[m] = place;
                place = place.wrapping_add(self.step[1]);
            });
            return (places, Pixel { index, column, place });
        }
        let mut column = pixel.column;
        let back = self.step[0].wrapping_sub(self.width.wrapping_mul(self.step[1]));
        each!(m < M {
            places[m] = place;
            place = place.wrapping_add(self.step[1]);
            column = column.wrapping_add(1);
            if column == self.width {
                column = 0;
                place = place.wrapping_add(back);
            }
        });
        (places, Pixel { index, column, place })
    }
}

/// Rows of a depthwise convolution. Distances are in bytes.
#[derive(Clone, Copy)]
pub struct DepthwiseRows {
    pub rows: usize,
    /// The first output's place in the copied image, and the distance of the next row's.
    pub image: *const u8,
    pub image_step: usize,
    /// Distances of the taps as `u32`, in whole groups.
    pub taps: *const u8,
    /// Number of taps, in whole groups.
    pub tap_count: usize,
    /// Whether taps are 3x3, each group a column, `copied` values after the one before.
    pub slides: bool,
    pub weights: *const u8,
    pub records: *const i32,
    /// Blocks after which weights and records begin again.
    pub period: usize,
    pub width: usize,
    /// Channels of a copied pixel.
    pub copied: usize,
    /// Channels of an output pixel.
    pub channels: usize,
    pub output: *mut i8,
    pub zero_point: i32,
    pub low: i32,
    pub high: i32,
}

pub(super) fn ensure(condition: bool) -> KernelResult {
    if condition { Ok(()) } else { Err(LengthError) }
}

/// Checks every length that a packed step has.
pub(super) fn check(
    layout: &Layout,
    kind: Kind,
    p: &Packed<'_>,
    input: &Rows<'_>,
    output: &RowsMut<'_>,
    rows: &Range<usize>,
    scratch: &[u8],
) -> KernelResult {
    let sizes = (layout.sizes)(kind, &p.shape).ok_or(LengthError)?;
    ensure(p.packing == layout.packing)?;
    ensure(p.weights.len() == sizes.weight_bytes && p.records.len() == sizes.record_words)?;
    ensure(scratch.len() >= sizes.scratch_bytes && scratch.as_ptr().addr().is_multiple_of(2))?;
    let ([_, in_w, in_c], [out_h, out_w, out_c]) = (p.shape.input, p.shape.output);
    ensure(Some(input.row_len()) == in_w.checked_mul(in_c) && Some(output.row_len()) == out_w.checked_mul(out_c))?;
    ensure(rows.start <= rows.end && rows.end <= out_h)
}

/// Returns the rows of the copied image that output rows `rows` need and earlier ones did not.
fn fresh(shape: &Shape, rows: &Range<usize>) -> Range<usize> {
    let (stride, reach) = (shape.stride[0], (shape.kernel[0] - 1) * shape.dilation[0]);
    let begin = match rows.start {
        0 => 0,
        row => (row * stride).max((row - 1) * stride + reach + 1),
    };
    begin..(rows.end - 1) * stride + reach + 1
}

/// Returns whether a row of the copied image is under any tap.
fn is_used(shape: &Shape, row: usize) -> bool {
    shape.kernel[0] > 1 || row.is_multiple_of(shape.stride[0])
}

/// Computes output rows of a convolution.
///
/// # Safety
/// The CPU has the instructions of `M`.
#[inline(always)]
pub unsafe fn conv2d<M: Machine>(
    p: &Packed<'_>,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
) -> KernelResult {
    check(&M::LAYOUT, Kind::Conv2d, p, &input, output, &rows, scratch)?;
    if rows.is_empty() {
        return Ok(());
    }
    let family = M::FAMILY;
    let conv = Conv::new(&family, &p.shape).ok_or(LengthError)?;
    let image = scratch.as_mut_ptr();
    // SAFETY: the scratch holds the copied image and the overrun of each copy, by `check`.
    unsafe { copy_rows::<M>(p, &conv, &input, &rows, image)? };
    let size = family.activation_bytes;
    let channels = p.shape.output[2];
    let bytes = |values: usize| values * size;
    let whole = Block {
        image,
        weights: p.weights.as_ptr().cast(),
        records: p.records.as_ptr(),
        runs: conv.runs.map(|(count, distance)| (count, bytes(distance))),
        groups: conv.groups,
        width: p.shape.output[1],
        // Where there is one row or column its stride is of no use, and may be anything.
        step: [
            p.shape.stride[0].wrapping_mul(bytes(conv.row_len)),
            p.shape.stride[1].wrapping_mul(bytes(p.shape.input[2])),
        ],
        row: 0,
        pixels: 0,
        output: core::ptr::null_mut(),
        channels,
        valid: 0,
        zero_point: p.range.zero_point,
        low: p.range.low,
        high: p.range.high,
    };
    let mode = p.records.first().copied().unwrap_or(0);
    let register_bytes = conv.all_groups().ok_or(LengthError)? * family.group * conv.weight_bytes * family.lanes;
    let [down, across] = whole.step;
    let segment = |range: Range<usize>, out: &mut [i8]| {
        let pixels = range.len() * p.shape.output[1];
        ensure(out.len() == pixels * channels)?;
        // Rows that follow one another without a gap are one.
        let (row, image, width) = if down == p.shape.output[1].wrapping_mul(across) {
            (0, image.wrapping_add(range.start.wrapping_mul(down)), pixels)
        } else {
            (range.start, image, whole.width)
        };
        let registers = conv.lanes / family.lanes;
        let mut first = 0;
        while first < registers {
            let count = conv.registers.min(registers - first);
            let channel = first * family.lanes;
            let block = Block {
                weights: whole.weights.wrapping_add(first * register_bytes),
                records: whole.records.wrapping_add(HEADER_WORDS + channel * LANE_WORDS),
                image,
                width,
                row,
                pixels,
                output: out.as_mut_ptr().wrapping_add(channel),
                valid: (channels - channel).min(count * family.lanes),
                ..whole
            };
            // SAFETY: `check` has compared every slice with the geometry that the block is cut from; the rows are copied.
            unsafe { M::conv(&block, count, conv.weight_bytes, mode) };
            first += count;
        }
        Ok(())
    };
    match output.contiguous_mut(rows.clone()) {
        Some(out) => segment(rows, out),
        None => rows.into_iter().try_for_each(|row| segment(row..row + 1, output.row_mut(row))),
    }
}

/// Copies the input rows that output rows `rows` are the first to need.
///
/// # Safety
/// `image` has room for the image that `conv` describes, with its slack.
#[inline(always)]
unsafe fn copy_rows<M: Machine>(
    p: &Packed<'_>,
    conv: &Conv,
    input: &Rows<'_>,
    rows: &Range<usize>,
    image: *mut u8,
) -> KernelResult {
    let size = M::FAMILY.activation_bytes;
    let [height, width, channels] = p.shape.input;
    let [top, left] = p.shape.pad;
    let left = left.min(conv.width);
    let inside = width.min(conv.width - left);
    let fresh = fresh(&p.shape, rows);
    let row_bytes = conv.row_len * size;
    let zero_point = p.input_zero_point;
    if top == 0
        && conv.width == width
        && left == 0
        && fresh.end <= height
        && (p.shape.kernel[0] > 1 || p.shape.stride[0] == 1)
        && let Some(run) = input.contiguous(fresh.clone())
    {
        // SAFETY: as many values as the rows of the image have; its slack takes the overrun.
        unsafe { M::copy(run.as_ptr(), image.wrapping_add(fresh.start * row_bytes), run.len(), zero_point) };
        return Ok(());
    }
    for row in fresh {
        if !is_used(&p.shape, row) {
            continue;
        }
        let to = image.wrapping_add(row * row_bytes);
        let source = row.checked_sub(top).filter(|&y| y < height);
        // SAFETY: a row of the image and what follows it; whatever an overrun writes into is written again after it, or
        // slack.
        unsafe {
            let Some(y) = source else {
                M::fill(to, conv.row_len, zero_point, zero_point);
                continue;
            };
            let from = input.row(y);
            ensure(from.len() == width * channels)?;
            M::fill(to, left * channels, zero_point, zero_point);
            M::copy(from.as_ptr(), to.wrapping_add(left * channels * size), inside * channels, zero_point);
            let done = (left + inside) * channels;
            M::fill(to.wrapping_add(done * size), conv.row_len - done, zero_point, zero_point);
        }
    }
    Ok(())
}

/// Computes output rows of a depthwise convolution.
///
/// # Safety
/// The CPU has the instructions of `M`.
#[inline(always)]
pub unsafe fn depthwise_conv2d<M: Machine>(
    p: &Packed<'_>,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
) -> KernelResult {
    check(&M::LAYOUT, Kind::DepthwiseConv2d, p, &input, output, &rows, scratch)?;
    if rows.is_empty() {
        return Ok(());
    }
    let family = M::FAMILY;
    let size = family.activation_bytes;
    let geometry = Depthwise::new(&family, &p.shape).ok_or(LengthError)?;
    let (image, taps) =
        scratch.split_at_mut_checked(geometry.copied(&family).ok_or(LengthError)?).ok_or(LengthError)?;
    for (number, place) in taps.chunks_exact_mut(4).take(geometry.taps).enumerate() {
        // An image has at most 2^28 bytes; what fills a group up has weights of zero.
        let tap = geometry.tap(&family, &p.shape, number);
        let distance = tap.map_or(0, |tap| geometry.distance(&p.shape, tap) * size);
        place.copy_from_slice(&(distance as u32).to_le_bytes());
    }
    let image = image.as_mut_ptr();
    // SAFETY: the scratch holds the copied image and the overrun of each copy, by `check`.
    unsafe { copy_columns::<M>(p, &geometry, &input, &rows, image)? };
    let mode = p.records.first().copied().unwrap_or(0);
    let image_step = p.shape.stride[0].wrapping_mul(geometry.row_len * size);
    let segment = |range: Range<usize>, out: &mut [i8]| {
        ensure(out.len() == range.len() * p.shape.output[1] * p.shape.output[2])?;
        let rows = DepthwiseRows {
            rows: range.len(),
            image: image.wrapping_add(range.start.wrapping_mul(image_step)),
            image_step,
            taps: taps.as_ptr(),
            tap_count: geometry.taps,
            slides: geometry.slides,
            weights: p.weights.as_ptr().cast(),
            records: p.records.as_ptr().wrapping_add(HEADER_WORDS),
            period: geometry.period,
            width: p.shape.output[1],
            copied: geometry.channels,
            channels: p.shape.output[2],
            output: out.as_mut_ptr(),
            zero_point: p.range.zero_point,
            low: p.range.low,
            high: p.range.high,
        };
        // SAFETY: `check` has compared every slice with the geometry; the rows are copied, the distances written.
        unsafe { M::depthwise(&rows, mode) };
        Ok(())
    };
    match output.contiguous_mut(rows.clone()) {
        Some(out) => segment(rows, out),
        None => rows.into_iter().try_for_each(|row| segment(row..row + 1, output.row_mut(row))),
    }
}

/// As [`copy_rows`], with the columns sorted by their phase of the stride and the channels filled up.
///
/// # Safety
/// `image` has room for the image that `geometry` describes, with its slack.
#[inline(always)]
unsafe fn copy_columns<M: Machine>(
    p: &Packed<'_>,
    geometry: &Depthwise,
    input: &Rows<'_>,
    rows: &Range<usize>,
    image: *mut u8,
) -> KernelResult {
    let size = M::FAMILY.activation_bytes;
    let [height, width, in_channels] = p.shape.input;
    let [top, left] = p.shape.pad;
    let channels = geometry.channels;
    let repeat = p.shape.output[2] / in_channels;
    let zero_point = p.input_zero_point;
    for row in fresh(&p.shape, rows) {
        if !is_used(&p.shape, row) {
            continue;
        }
        let to = image.wrapping_add(row * geometry.row_len * size);
        // SAFETY: a row of the image and what follows it; whatever an overrun writes into is written again after it, or
        // slack.
        unsafe {
            let Some(y) = row.checked_sub(top).filter(|&y| y < height) else {
                M::fill(to, geometry.row_len, zero_point, zero_point);
                continue;
            };
            let from = input.row(y);
            ensure(from.len() == width * in_channels)?;
            if geometry.phases == 1 && channels == in_channels {
                let columns = geometry.columns;
                let left = left.min(columns);
                let inside = width.min(columns - left);
                M::fill(to, left * channels, zero_point, zero_point);
                M::copy(from.as_ptr(), to.wrapping_add(left * channels * size), inside * channels, zero_point);
                let done = (left + inside) * channels;
                M::fill(to.wrapping_add(done * size), geometry.row_len - done, zero_point, zero_point);
                continue;
            }
            let mut place = to;
            for phase in 0..geometry.phases {
                // Column `c` of the phase is column `c·phases + phase - left` of the input.
                let columns = geometry.columns;
                let first = left.saturating_sub(phase).div_ceil(geometry.phases).min(columns);
                let end = (width + left).saturating_sub(phase).div_ceil(geometry.phases).clamp(first, columns);
                M::fill(place, first * channels, zero_point, zero_point);
                place = place.wrapping_add(first * channels * size);
                if first < end {
                    let x = first * geometry.phases + phase - left;
                    let step = geometry.phases * in_channels;
                    let pixels = from.get(x * in_channels..).unwrap_or_default().chunks(step).take(end - first);
                    for pixel in pixels {
                        let pixel = pixel.get(..in_channels).unwrap_or_default();
                        if repeat == 1 {
                            M::copy(pixel.as_ptr(), place, pixel.len(), zero_point);
                        } else {
                            for (channel, &value) in pixel.iter().enumerate() {
                                let at = place.wrapping_add(channel.wrapping_mul(repeat).wrapping_mul(size));
                                M::fill(at, repeat, value.into(), zero_point);
                            }
                        }
                        place = place.wrapping_add(channels.wrapping_mul(size));
                    }
                }
                M::fill(place, (columns - end) * channels, zero_point, zero_point);
                place = place.wrapping_add((columns - end) * channels * size);
            }
        }
    }
    Ok(())
}
