//! ARMv7 with NEON: weights of 4 channels by 16 inputs, int8 products in pairs.

use crate::{Kind, Layout, Packing, Shape, Sizes, arm};

/// The packing.
pub const LAYOUT: Layout = Layout { packing: Packing(9), keeps_scratch: true, sizes };

/// Channels of a block of a convolution.
pub const LANES: usize = 4;
/// Channels of a block of a depthwise convolution.
pub const DEPTHWISE_LANES: usize = 8;
/// Inputs that are multiplied at a time.
pub const INPUTS: usize = 16;
/// Words of a record per lane: bias, mantissa, shift, shift before.
pub const WORDS: usize = 4;

/// Returns the lengths of a step.
fn sizes(kind: Kind, shape: &Shape) -> Option<Sizes> {
    let depthwise = kind == Kind::DepthwiseConv2d && shape.input[2] != 1;
    if depthwise && shape.input[2] != shape.output[2] {
        return None;
    }
    let lanes = shape.output[2].checked_next_multiple_of(if depthwise { DEPTHWISE_LANES } else { LANES })?;
    let record_words = lanes.checked_mul(WORDS)?.checked_add(arm::HEADER_WORDS)?;
    let taps = arm::taps(shape)?;
    if depthwise {
        let weight_bytes = lanes.checked_mul(shape.kernel[0].checked_mul(shape.kernel[1])?)?;
        return Some(Sizes { weight_bytes, record_words, scratch_bytes: arm::Scratch::rows(shape)?.bytes });
    }
    let weight_bytes = lanes.checked_mul(taps.checked_next_multiple_of(INPUTS)?)?;
    Some(Sizes { weight_bytes, record_words, scratch_bytes: arm::conv2d_scratch(shape)? })
}
