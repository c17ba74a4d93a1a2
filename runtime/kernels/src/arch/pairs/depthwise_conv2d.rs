//! Depthwise convolutions: a channel's rows are gathered into a strip with their padding, then its outputs computed.

use core::ops::Range;

use tanbo_packing::{Kind, pairs};

use super::{Lines, Machine, signed};
use crate::{KernelResult, LengthError, Packed, Rows, RowsMut};

/// Computes output rows.
pub(crate) fn depthwise_conv2d<M: Machine>(
    p: &Packed<'_>,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
) -> KernelResult {
    let shape = &p.shape;
    let sizes = (M::LAYOUT.sizes)(Kind::DepthwiseConv2d, shape).ok_or(LengthError)?;
    let [_, x_width, channels] = shape.input;
    let [_, width, outputs] = shape.output;
    let fits = p.packing == M::LAYOUT.packing
        && (p.weights.len(), p.records.len()) == (sizes.weight_bytes, sizes.record_words)
        && Some(input.row_len()) == x_width.checked_mul(channels)
        && Some(output.row_len()) == width.checked_mul(outputs)
        && scratch.len() >= sizes.scratch_bytes
        && rows.end <= shape.output[0]
        && width > 0
        && sizes.weight_bytes > 0;
    let [lines, columns] = pairs::strip(shape).filter(|_| fits).ok_or(LengthError)?;
    let taps = shape.kernel[0] * shape.kernel[1];
    let record_words = sizes.record_words / outputs;
    let (wide, strip) = scratch.split_at_mut(if M::WIDE_WEIGHTS { taps * 4 } else { 0 });
    // SAFETY: any bits are an i32.
    let (before, wide, _) = unsafe { wide.align_to_mut::<i32>() };
    if !before.is_empty() || strip.len() < lines * columns {
        return Err(LengthError);
    }
    let mut start = rows.start;
    while start < rows.end {
        let mut block = start..rows.end.min(start + pairs::STRIP_ROWS);
        if output.contiguous_mut(block.clone()).is_none() {
            block.end = start + 1;
        }
        let Some(y) = output.contiguous_mut(block.clone()) else { return Err(LengthError) };
        if y.len() != block.len() * width * outputs {
            return Err(LengthError);
        }
        strip.fill(p.input_zero_point as u8 ^ M::FLIP);
        let source = Source::new(p, input, &block, columns);
        let mut lines = Lines {
            strip: strip.as_ptr().cast(),
            weights: wide.as_ptr().cast(),
            record: p.records.as_ptr(),
            output: core::ptr::null_mut(),
            channels: outputs,
            width,
            rows: 0,
            line_step: shape.stride[0] * columns,
            row_step: width * outputs,
            tap_step: shape.dilation[0] * columns,
            height: shape.kernel[0],
            taps: shape.kernel[1],
            stride: shape.stride[1],
            low: p.range.low,
            high: p.range.high,
            sign: if signed(&p.range) { -2 } else { 0 },
        };
        let of_channels = p.weights.chunks_exact(taps).zip(p.records.chunks_exact(record_words));
        let multiplier = outputs / channels;
        let (mut channel, mut left) = (0, 0);
        let y = y.as_mut_ptr();
        for (o, (weights, record)) in of_channels.enumerate() {
            if left == 0 {
                source.gather::<M>(channel, strip);
                (channel, left) = (channel + 1, multiplier);
            }
            left -= 1;
            if M::WIDE_WEIGHTS {
                wide.iter_mut().zip(weights).for_each(|(wide, &w)| *wide = i32::from(w));
            } else {
                lines.weights = weights.as_ptr();
            }
            (lines.strip, lines.record, lines.output) = (strip.as_ptr().cast(), record.as_ptr(), y.wrapping_add(o));
            lines.rows = block.len();
            // SAFETY: `pairs::strip` counts what the windows of a block cover, and neither its rows, at most as many as it
            // counts for, nor the width nor the taps are 0; `output` is a channel of the first pixel of as many rows of
            // `width` pixels of `outputs` channels; weights and record are of that channel.
            unsafe { M::depthwise(&mut lines) };
        }
        start = block.end;
    }
    Ok(())
}

/// Where a block's strip gets its values.
struct Source<'a> {
    input: Rows<'a>,
    /// The image, where its rows follow one another.
    whole: Option<&'a [i8]>,
    /// Values of a row, and of a pixel.
    row_len: usize,
    channels: usize,
    /// Rows of the input that the block reads.
    rows: Range<usize>,
    /// Where the first of them goes in the strip, and how far apart lines are.
    start: usize,
    columns: usize,
    /// Values of a line that come from the input.
    count: usize,
}

impl<'a> Source<'a> {
    fn new(p: &Packed<'_>, input: Rows<'a>, block: &Range<usize>, columns: usize) -> Self {
        let [height, width, channels] = p.shape.input;
        let [top, left] = p.shape.pad;
        let lines = (block.len() - 1) * p.shape.stride[0] + (p.shape.kernel[0] - 1) * p.shape.dilation[0] + 1;
        // In padded rows.
        let first = block.start * p.shape.stride[0];
        let rows = first.max(top).min(height + top)..(first + lines).max(top).min(height + top);
        Self {
            input,
            whole: input.contiguous(0..height),
            row_len: width * channels,
            channels,
            start: rows.start.saturating_sub(first) * columns + left,
            rows: rows.start - top..rows.end - top,
            columns,
            count: width.min(columns.saturating_sub(left)),
        }
    }

    /// Copies a channel; the padding is there already.
    fn gather<M: Machine>(&self, channel: usize, strip: &mut [u8]) {
        let (count, channels) = (self.count, self.channels);
        let length = (self.rows.len() * self.columns).min(strip.len().saturating_sub(self.start));
        let Some(strip) = strip.get_mut(self.start..self.start + length) else { return };
        if channel >= channels || count == 0 {
            return;
        }
        for (row, line) in self.rows.clone().zip(strip.chunks_mut(self.columns)) {
            let x = match self.whole {
                Some(whole) => whole.get(row * self.row_len..(row + 1) * self.row_len),
                None => self.input.row(row).get(..self.row_len),
            };
            let Some(x) = x else { return };
            let count = count.min(line.len());
            let (mut from, mut to) = (x.as_ptr().wrapping_add(channel), line.as_mut_ptr());
            let end = to.wrapping_add(count);
            while to != end {
                // SAFETY: a line has `count` values at least; a row as many pixels of `channels` values, and `channel` is below.
                unsafe { to.write(from.read() as u8 ^ M::FLIP) };
                (from, to) = (from.wrapping_add(channels), to.wrapping_add(1));
            }
        }
    }
}
