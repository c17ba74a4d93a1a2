//! AArch64 with the dot product: weights of 16 channels by 4 inputs.

use crate::{Kind, Layout, Packing, Shape, Sizes, arm, neon};

/// The packing.
pub const LAYOUT: Layout = Layout { packing: Packing(7), sizes };

/// Channels of the narrowest and the widest block of a convolution.
pub const LANES: [usize; 2] = [4, 16];
/// Words of a record per lane: bias, mantissa, shift, shift before.
pub const WORDS: usize = 4;

/// Returns the lengths of a step.
pub(crate) fn sizes(kind: Kind, shape: &Shape) -> Option<Sizes> {
    if kind == Kind::DepthwiseConv2d && shape.input[2] != 1 {
        return neon::depthwise_conv2d(shape);
    }
    let lanes = arm::Blocks::new(shape.output[2], LANES[0], LANES[1]).lanes()?;
    Some(Sizes {
        weight_bytes: lanes.checked_mul(arm::taps(shape)?.checked_next_multiple_of(4)?)?,
        record_words: lanes.checked_mul(WORDS)?.checked_add(arm::HEADER_WORDS)?,
        scratch_bytes: arm::conv2d_scratch(shape)?,
    })
}
