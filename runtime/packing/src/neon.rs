//! AArch64 without the dot product: weights of 8 channels by 32, 16 and 8 inputs, int8 products in pairs.

use crate::{Kind, Layout, Packing, Shape, Sizes, arm};

/// The packing.
pub const LAYOUT: Layout = Layout { packing: Packing(6), keeps_scratch: true, sizes };

/// Channels of the narrowest and the widest block of a convolution.
pub const LANES: [usize; 2] = [4, 8];
/// Channels of the blocks of a depthwise convolution.
pub const DEPTHWISE_LANES: [usize; 2] = [8, 16];
/// Words of a convolution's record per lane: bias in the first of four, mantissa, shift, shift before.
pub const WORDS: usize = 7;
/// Words of a depthwise convolution's record per lane.
pub const DEPTHWISE_WORDS: usize = 4;

/// Returns the lengths of a step.
pub(crate) fn sizes(kind: Kind, shape: &Shape) -> Option<Sizes> {
    match kind {
        Kind::Conv2d => conv2d(shape, arm::taps(shape)?),
        // One input channel: every output channel is a convolution over it.
        Kind::DepthwiseConv2d if shape.input[2] == 1 => conv2d(shape, arm::taps(shape)?),
        Kind::DepthwiseConv2d => depthwise_conv2d(shape),
    }
}

fn conv2d(shape: &Shape, taps: usize) -> Option<Sizes> {
    let lanes = arm::Blocks::new(shape.output[2], LANES[0], LANES[1]).lanes()?;
    Some(Sizes {
        weight_bytes: lanes.checked_mul(taps.checked_next_multiple_of(8)?)?,
        record_words: lanes.checked_mul(WORDS)?.checked_add(arm::HEADER_WORDS)?,
        scratch_bytes: arm::conv2d_scratch(shape)?,
    })
}

/// Returns the lengths of a depthwise step, which the packing for the dot product shares.
pub(crate) fn depthwise_conv2d(shape: &Shape) -> Option<Sizes> {
    if shape.input[2] != shape.output[2] {
        return None;
    }
    let lanes = arm::Blocks::new(shape.output[2], DEPTHWISE_LANES[0], DEPTHWISE_LANES[1]).lanes()?;
    Some(Sizes {
        weight_bytes: lanes.checked_mul(shape.kernel[0].checked_mul(shape.kernel[1])?)?,
        record_words: lanes.checked_mul(DEPTHWISE_WORDS)?.checked_add(arm::HEADER_WORDS)?,
        scratch_bytes: arm::Scratch::rows(shape)?.bytes,
    })
}
