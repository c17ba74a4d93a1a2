//! Images as runs of pixels: what a convolution of any shape is for the tiles.
//!
//! A pointwise convolution reads its input in place. Any other copies the input rows that an output row reads into a ring of
//! rows padded with the zero point, and each output's patch of them into one run of bytes, so that tiles know pixels,
//! `inputs` bytes long, and nothing of kernels, strides and padding.

use core::ops::Range;
use core::ptr;

use tanbo_packing::arm::{SLACK, Scratch, is_pointwise, taps};
use tanbo_packing::{Kind, Layout, Shape};

#[cfg(target_arch = "arm")]
use crate::arch::armv7::copy;
#[cfg(target_arch = "aarch64")]
use crate::arch::neon::copy;
use crate::{KernelResult, LengthError, Output, Packed, Rows, RowsMut};

/// Pixels to compute: `pixels` of `inputs` bytes, `x_step` bytes apart, of which tiles may read up to the next multiple of 16
/// bytes; `y_step` bytes apart in the output, of which tiles write as many as the layer has channels.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub x: *const i8,
    pub x_step: usize,
    pub y: *mut i8,
    pub y_step: usize,
    pub pixels: usize,
}

/// What is the same for all pixels. Lengths are those of the packing.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    pub inputs: usize,
    pub channels: usize,
    pub weights: &'a [i8],
    pub records: &'a [i32],
    pub range: Output,
}

/// Computes a run. Callers vouch for its pointers, and for the lengths of the layer's constants.
pub type Pixels = unsafe fn(&Run, &Layer<'_>);

/// Returns an error unless every slice has the length that the packing asks for.
pub fn check(
    p: &Packed<'_>,
    layout: &Layout,
    kind: Kind,
    input: &Rows<'_>,
    output: &RowsMut<'_>,
    scratch: &[u8],
) -> KernelResult {
    let sizes = (layout.sizes)(kind, &p.shape).filter(|_| p.packing == layout.packing).ok_or(LengthError)?;
    let [[_, input_width, inputs], [height, width, outputs]] = [p.shape.input, p.shape.output];
    let lengths = p.weights.len() == sizes.weight_bytes
        && p.records.len() == sizes.record_words
        && scratch.len() >= sizes.scratch_bytes
        && Some(input.row_len()) == input_width.checked_mul(inputs)
        && Some(output.row_len()) == width.checked_mul(outputs)
        && height > 0;
    if lengths { Ok(()) } else { Err(LengthError) }
}

/// Computes output rows of a convolution with the tiles `pixels`.
pub fn conv2d(
    p: &Packed<'_>,
    (layout, kind): (&Layout, Kind),
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
    pixels: Pixels,
) -> KernelResult {
    check(p, layout, kind, &input, output, scratch)?;
    let layer = Layer {
        inputs: taps(&p.shape).ok_or(LengthError)?,
        channels: p.shape.output[2],
        weights: p.weights,
        records: p.records,
        range: p.range,
    };
    if layer.inputs == 0 || layer.channels == 0 || p.shape.output[1] == 0 {
        return Err(LengthError);
    }
    if !is_pointwise(&p.shape) {
        return patches(p, &layer, input, output, rows, scratch, pixels);
    }
    if let Some((x, y)) = input.contiguous(rows.clone()).zip(output.contiguous_mut(rows.clone())) {
        return pointwise(&layer, x, y, scratch, pixels);
    }
    for row in rows {
        pointwise(&layer, input.row(row), output.row_mut(row), scratch, pixels)?;
    }
    Ok(())
}

/// Computes pixels that follow one another, in place but for the last ones, behind which tiles would read on.
fn pointwise(layer: &Layer<'_>, x: &[i8], y: &mut [i8], scratch: &mut [u8], compute: Pixels) -> KernelResult {
    let (inputs, channels) = (layer.inputs, layer.channels);
    let pixels = x.len() / inputs;
    if pixels * inputs != x.len() || pixels * channels != y.len() {
        return Err(LengthError);
    }
    // A pixel may be read in place if the bytes up to the next multiple of 16 lie in the slice.
    let beyond = inputs.next_multiple_of(16) - inputs;
    let unsafe_pixels = beyond.div_ceil(inputs).min(pixels);
    // Whole tiles of four stay together.
    let in_place = if unsafe_pixels == 0 { pixels } else { (pixels - unsafe_pixels) / 4 * 4 };
    if in_place > 0 {
        let run = Run { x: x.as_ptr(), x_step: inputs, y: y.as_mut_ptr(), y_step: channels, pixels: in_place };
        // SAFETY: the pixels lie in `x`, also with what is read beyond the last of them, and in `y`.
        unsafe { compute(&run, layer) };
    }
    // The others, at most a tile and what fits into 16 bytes, are read where there is room behind them.
    for (x, y) in x[in_place * inputs..].chunks(4 * inputs).zip(y[in_place * channels..].chunks_mut(4 * channels)) {
        let room = scratch.get_mut(..x.len() + SLACK).ok_or(LengthError)?;
        // SAFETY: `room` is longer than `x` and borrowed mutably.
        unsafe { ptr::copy_nonoverlapping(x.as_ptr(), room.as_mut_ptr().cast(), x.len()) };
        let (x, pixels) = (room.as_ptr().cast(), x.len() / inputs);
        let run = Run { x, x_step: inputs, y: y.as_mut_ptr(), y_step: channels, pixels };
        // SAFETY: the pixels lie in `room` with more than 16 bytes behind them, and in `y`.
        unsafe { compute(&run, layer) };
    }
    Ok(())
}

/// Computes output rows from patches.
fn patches(
    p: &Packed<'_>,
    layer: &Layer<'_>,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
    compute: Pixels,
) -> KernelResult {
    let place = Scratch::patches(&p.shape).ok_or(LengthError)?;
    let mut ring = Ring::new(p, place, input, scratch)?;
    let width = p.shape.output[1];
    let mut row = rows.start;
    while row < rows.end {
        let mut end = (row + place.patch_rows).min(rows.end);
        if output.contiguous_mut(row..end).is_none() {
            end = row + 1;
        }
        for (i, row) in (row..end).enumerate() {
            ring.advance(row);
            ring.copy_patches(i * width);
        }
        let x = ring.patches();
        let y = output.contiguous_mut(row..end).ok_or(LengthError)?;
        let pixels = (end - row) * width;
        if y.len() != pixels * layer.channels {
            return Err(LengthError);
        }
        let run = Run { x, x_step: place.patch_bytes, y: y.as_mut_ptr(), y_step: layer.channels, pixels };
        // SAFETY: `pixels` patches, at most those of `patch_rows` rows, lie in the scratch, with slack behind them; a patch is
        // longer by 15 bytes than its inputs at least. The pixels lie in `y`.
        unsafe { compute(&run, layer) };
        row = end;
    }
    Ok(())
}

/// The last input rows, padded with the zero point on all sides.
pub struct Ring<'a> {
    shape: Shape,
    place: Scratch,
    zero_point: u8,
    input: Rows<'a>,
    scratch: &'a mut [u8],
    /// Bytes of padding to the left, and of the input behind it.
    left: usize,
    bytes: usize,
    /// Batch entry that the ring stands at.
    batch: usize,
    /// Slot of the row under the first tap.
    slot: usize,
    /// Padded rows of the batch entry below this one are there, as far as they are still read.
    loaded: usize,
}

impl<'a> Ring<'a> {
    /// Returns the ring before the first row, or an error if the scratch is too short.
    pub fn new(p: &Packed<'_>, place: Scratch, input: Rows<'a>, scratch: &'a mut [u8]) -> Result<Self, LengthError> {
        let scratch = scratch.get_mut(..place.bytes).ok_or(LengthError)?;
        // Whatever the artifact says, an int8.
        let zero_point = p.input_zero_point as u8;
        scratch.get_mut(..place.row_bytes * place.ring_rows).ok_or(LengthError)?.fill(zero_point);
        let left = p.shape.pad[1].saturating_mul(p.shape.input[2]).min(place.row_bytes);
        let bytes = input.row_len().min(place.row_bytes - left);
        let shape = p.shape;
        Ok(Self { shape, place, zero_point, input, scratch, left, bytes, batch: usize::MAX, slot: 0, loaded: 0 })
    }

    /// Copies the input rows that output row `row` (batch entry times height plus y) reads and that are not there.
    pub fn advance(&mut self, row: usize) {
        let height = self.shape.output[0];
        let batch = row / height;
        if batch != self.batch {
            (self.batch, self.loaded) = (batch, 0);
        }
        let first = (row - batch * height) * self.shape.stride[0];
        let slots = self.place.ring_rows;
        self.slot = first % slots;
        let end = first + slots;
        let from = first.max(self.loaded);
        let mut slot = if from == first { self.slot } else { from % slots };
        for padded in from..end {
            let at = slot * self.place.row_bytes;
            slot = if slot + 1 == slots { 0 } else { slot + 1 };
            let Some(place) = self.scratch.get_mut(at..at + self.place.row_bytes) else { return };
            let y = padded.wrapping_sub(self.shape.pad[0]);
            if y >= self.shape.input[0] {
                place.fill(self.zero_point);
                continue;
            }
            let source = self.input.row(batch * self.shape.input[0] + y);
            if let Some((source, place)) = source.get(..self.bytes).zip(place.get_mut(self.left..)) {
                // SAFETY: `bytes` bytes of the row lie behind those to the left of it; one of both is borrowed mutably.
                unsafe { ptr::copy_nonoverlapping(source.as_ptr(), place.as_mut_ptr().cast(), self.bytes) };
            }
        }
        self.loaded = end;
    }

    /// Returns the padded rows under the first `count` lines of taps: `row_bytes` long, more than 16 bytes follow in the scratch.
    #[inline(always)]
    pub fn rows(&self, count: usize) -> impl Iterator<Item = *const i8> + '_ {
        let mut slot = self.slot;
        (0..count).map(move |_| {
            // In bounds: `slot` is below `ring_rows`.
            let row = self.scratch.as_ptr().cast::<i8>().wrapping_add(slot * self.place.row_bytes);
            slot += self.shape.dilation[0];
            if slot >= self.place.ring_rows {
                slot -= self.place.ring_rows;
            }
            row
        })
    }

    fn patches(&self) -> *const i8 {
        self.scratch.as_ptr().cast::<i8>().wrapping_add(self.place.row_bytes * self.place.ring_rows)
    }

    /// Copies the patches of the output row as those from number `first` on.
    fn copy_patches(&mut self, first: usize) {
        let [_, kernel_w] = self.shape.kernel;
        let (channels, width) = (self.shape.input[2], self.shape.output[1]);
        let [step, patch] = [self.shape.stride[1] * channels, self.place.patch_bytes];
        let mut to = self.patches().cast_mut().wrapping_add(first * patch);
        let apart = kernel_w > 1 && self.shape.dilation[1] != 1;
        let (runs, bytes) = if apart { (kernel_w, channels) } else { (1, kernel_w * channels) };
        for row in self.rows(self.shape.kernel[0]) {
            for kx in 0..runs {
                let from = row.wrapping_add(kx * self.shape.dilation[1] * channels);
                // SAFETY: `width` runs of `bytes` bytes, `step` apart, end with the padded row, behind which there are 16
                // bytes and more; those written lie in patches, of which the last ends 15 bytes before the next one or the
                // slack. Later runs overwrite what earlier ones copied too much.
                unsafe { copy::runs((from, step), (to, patch), width, bytes) };
                to = to.wrapping_add(bytes);
            }
        }
    }
}
