//! Helium (MVE): Cortex-M55 and M85.

use crate::{Kind, Layout, Packing, Shape, Sizes};

/// Convolutions as products of vectors of 16 taps, depthwise ones as products of a channel's taps.
pub const MVE: Layout = Layout { packing: Packing(2), keeps_scratch: true, sizes };

/// Output channels that are computed together.
pub const GROUP: usize = 4;

/// Words of a group's record: bias and mantissa of four channels, their shifts as four bytes.
pub const RECORD_WORDS: usize = 9;

/// Words before the first record: the greatest shift.
pub const HEAD_WORDS: usize = 1;

/// Values of a vector.
pub const VECTOR: usize = 16;

/// Greatest height of a depthwise kernel: byte offsets count 16 columns.
const MAX_HEIGHT: usize = 16;

/// Most output channels: those of two pixels are stored by 16-bit offsets.
const MAX_OUTPUTS: usize = 1 << 14;

/// Scratch that a convolution's strip of columns should fit into, bytes.
const STRIP_BYTES: usize = 2048;

/// How a convolution reads its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    /// Values that each output sums.
    pub taps: usize,
    /// Vectors that hold them.
    pub chunks: usize,
    /// Groups of output channels; the last may repeat channels of the one before, or the last channel.
    pub groups: usize,
    /// Strip of columns that patches are cut from; `None` where a pixel of the input is a patch.
    pub strip: Option<Strip>,
}

/// Columns of all rows under a kernel, one after another: a patch is a run of `kernel width` of them. Where the kernel's taps
/// do not lie side by side, every patch has columns of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strip {
    /// Output pixels of a strip.
    pub pixels: usize,
    /// Bytes of a column: kernel height times channels.
    pub column: usize,
    /// Columns from patch to patch.
    pub step: usize,
    /// Bytes of a strip.
    pub bytes: usize,
}

impl Conv {
    /// Returns how a convolution of this shape runs, or `None` if it does not.
    ///
    /// A depthwise convolution of one input channel is a convolution.
    pub fn of(kind: Kind, shape: &Shape) -> Option<Self> {
        let [_, _, channels] = shape.input;
        let [_, width, outputs] = shape.output;
        let one_channel = kind == Kind::DepthwiseConv2d && channels == 1;
        let [kernel_h, kernel_w] = shape.kernel;
        let [_, stride_w] = shape.stride;
        let taps = kernel_h.checked_mul(kernel_w)?.checked_mul(channels)?;
        let known =
            (kind == Kind::Conv2d || one_channel) && taps > 0 && width > 0 && (1..=MAX_OUTPUTS).contains(&outputs);
        if !known || shape.stride.contains(&0) {
            return None;
        }
        let strip = if shape.kernel == [1, 1] && shape.pad == [0, 0] {
            None
        } else {
            let column = kernel_h.checked_mul(channels)?;
            let step = if shape.dilation[1] == 1 || kernel_w == 1 { stride_w } else { kernel_w };
            let columns = |pixels: usize| (pixels - 1).checked_mul(step)?.checked_add(kernel_w);
            let bytes = |pixels: usize| columns(pixels)?.checked_mul(column)?.checked_next_multiple_of(VECTOR);
            let mut pixels = width;
            while pixels > GROUP && bytes(pixels).is_none_or(|bytes| bytes > STRIP_BYTES) {
                pixels = (pixels / 2).next_multiple_of(2);
            }
            // The last patch is read in whole vectors.
            let bytes = bytes(pixels)?.checked_add(VECTOR)?;
            Some(Strip { pixels, column, step, bytes })
        };
        Some(Self { taps, chunks: taps.div_ceil(VECTOR), groups: outputs.div_ceil(GROUP), strip })
    }
}

/// How a depthwise convolution reads its input: rows under the kernel, channel after channel, in which a column's rows lie
/// together. Where a channel's taps are one vector and rows lie side by side, a ring that keeps its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depthwise {
    /// Whether rows are kept.
    pub ring: bool,
    /// Bytes of a channel's weights: its taps, and a zero for lanes that are left or as many as fill vectors.
    pub weights: usize,
    /// Columns, padding included.
    pub columns: usize,
    /// Bytes of a channel.
    pub channel: usize,
    /// Output channels of an input channel: each has a copy of it.
    pub multiplier: usize,
    /// Bytes of all.
    pub bytes: usize,
}

impl Depthwise {
    /// Returns how a depthwise convolution of this shape runs, or `None` if it does not.
    pub fn of(kind: Kind, shape: &Shape) -> Option<Self> {
        let [kernel_h, kernel_w] = shape.kernel;
        let (channels, outputs) = (shape.input[2], shape.output[2]);
        let taps = kernel_h.checked_mul(kernel_w)?;
        let known = kind == Kind::DepthwiseConv2d
            && channels > 0
            && outputs.is_multiple_of(channels)
            && (GROUP..=MAX_OUTPUTS).contains(&outputs)
            && (shape.dilation[1] == 1 || kernel_w == 1)
            && !shape.stride.contains(&0)
            && taps > 0
            && kernel_h <= MAX_HEIGHT
            && shape.output[1] > 0;
        if !known {
            return None;
        }
        let multiplier = outputs / channels;
        let columns = (shape.output[1] - 1).checked_mul(shape.stride[1])?.checked_add(kernel_w)?;
        let channel = columns.checked_mul(kernel_h)?;
        // Sixteen channels are written by 16-bit offsets.
        if channel.checked_mul(multiplier)? > usize::from(u16::MAX) / VECTOR {
            return None;
        }
        let bytes = channel.checked_mul(outputs)?.checked_next_multiple_of(VECTOR)?.checked_add(VECTOR)?;
        let ring = taps <= VECTOR && (shape.dilation[0] == 1 || kernel_h == 1);
        let weights = if ring { taps + 1 } else { taps.next_multiple_of(VECTOR) };
        Some(Self { ring, weights, columns, channel, multiplier, bytes })
    }
}

fn sizes(kind: Kind, shape: &Shape) -> Option<Sizes> {
    let (groups, group_bytes, scratch_bytes) = match (Conv::of(kind, shape), Depthwise::of(kind, shape)) {
        (Some(conv), _) => {
            let vectors = conv.chunks.checked_mul(VECTOR)?;
            // Whole vectors of the last pixels would reach beyond the input: they are copied first.
            let copied = if conv.taps == vectors { 0 } else { vectors };
            (conv.groups, vectors.checked_mul(GROUP)?, conv.strip.map_or(copied, |strip| strip.bytes))
        }
        (None, Some(depthwise)) => (shape.output[2].div_ceil(GROUP), depthwise.weights * GROUP, depthwise.bytes),
        (None, None) => return None,
    };
    Some(Sizes {
        weight_bytes: groups.checked_mul(group_bytes)?,
        record_words: groups.checked_mul(RECORD_WORDS)?.checked_add(HEAD_WORDS)?,
        scratch_bytes,
    })
}
