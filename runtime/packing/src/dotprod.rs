//! AArch64 with the dot product: weights of 16 channels by 4 inputs.

use crate::{Kind, Layout, Packing, Shape, Sizes, arm, neon};

/// The packing.
pub const LAYOUT: Layout = Layout { packing: Packing(7), keeps_scratch: true, sizes };

/// Channels of the narrowest and the widest block of a convolution.
pub const LANES: [usize; 2] = [4, 16];
/// Words of a record per lane: bias, mantissa, shift, shift before.
pub const WORDS: usize = 4;

/// Bytes of a transposed column of 16 channels: four inputs of each.
pub const COLUMN_BYTES: usize = 64;

/// Returns whether a depthwise convolution is computed from transposed columns, where it has 16 channels or more.
pub fn has_columns(shape: &Shape) -> bool {
    shape.kernel == [3, 3] && shape.stride == [1, 1] && shape.dilation == [1, 1] && shape.output[2] >= 16
}

/// Returns the lengths of a step.
pub(crate) fn sizes(kind: Kind, shape: &Shape) -> Option<Sizes> {
    if kind == Kind::DepthwiseConv2d && shape.input[2] != 1 {
        let sizes = neon::depthwise_conv2d(shape)?;
        if !has_columns(shape) {
            return Some(sizes);
        }
        // A block of 16 has three columns of weights for either of two output rows, one of 8 its nine taps.
        let lanes = arm::Blocks::new(shape.output[2], neon::DEPTHWISE_LANES[0], neon::DEPTHWISE_LANES[1]).lanes()?;
        let weight_bytes = (lanes / 16).checked_mul(6 * COLUMN_BYTES)?.checked_add(lanes % 16 * 9)?;
        let columns = shape.output[1].checked_add(2)?.checked_mul(COLUMN_BYTES)?;
        let rows = arm::Scratch::row_pairs(shape)?.bytes;
        let scratch_bytes = rows.checked_add(columns)?.checked_add(arm::SLACK)?;
        return Some(Sizes { weight_bytes, scratch_bytes, ..sizes });
    }
    let lanes = arm::Blocks::new(shape.output[2], LANES[0], LANES[1]).lanes()?;
    Some(Sizes {
        weight_bytes: lanes.checked_mul(arm::taps(shape)?.checked_next_multiple_of(4)?)?,
        record_words: lanes.checked_mul(WORDS)?.checked_add(arm::HEADER_WORDS)?,
        scratch_bytes: arm::conv2d_scratch(shape)?,
    })
}
