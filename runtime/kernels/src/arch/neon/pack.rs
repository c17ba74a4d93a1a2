//! Packs for AArch64 without the dot product.

use alloc::vec::Vec;

use tanbo_packing::arm::{Blocks, taps};
use tanbo_packing::{Kind, neon};

use crate::arch::arm::pack::{Channels, Matrix, PAIR_MAX, pairs_fit};
use crate::pack::{PackedConstants, Source};

/// Packs a step; `None` where a pair of weights could overflow an int16 sum of products (both are -128).
pub fn pack(source: &Source<'_>) -> Option<PackedConstants> {
    let shape = source.shape;
    let channels = shape.output[2];
    (neon::LAYOUT.sizes)(source.kind, shape)?;
    let matrix = match source.kind {
        Kind::Conv2d => Matrix::conv2d(source.weights, channels, taps(shape)?)?,
        Kind::DepthwiseConv2d if shape.input[2] == 1 => {
            Matrix::depthwise_conv2d(source.weights, channels, taps(shape)?)?
        }
        Kind::DepthwiseConv2d => return depthwise_conv2d(source, neon::LAYOUT.packing),
    };
    let inputs = taps(shape)?.next_multiple_of(8);
    let blocks = Blocks::new(channels, neon::LANES[0], neon::LANES[1]);
    let mut weights = Vec::new();
    for block in blocks {
        let mut from = 0;
        // 32 inputs of a channel lie together, then 16, then 8.
        for width in [32, 16, 8] {
            while inputs - from >= width {
                for channel in block.first..block.first + block.lanes {
                    let run = (from..from + width).map(|input| matrix.get(channel, input));
                    weights.extend(run);
                }
                from += width;
            }
        }
    }
    if !(0..channels).all(|channel| pairs_fit(&matrix, channel)) {
        return None;
    }
    let records = Channels::new(source, |o| matrix.sum(o))?.records(blocks, 4);
    Some(PackedConstants { packing: neon::LAYOUT.packing, weights, records })
}

/// Packs a depthwise step for blocks of 16 and 8 channels: of each, the taps in order.
pub fn depthwise_conv2d(source: &Source<'_>, packing: tanbo_packing::Packing) -> Option<PackedConstants> {
    let channels = source.shape.output[2];
    let taps = source.shape.kernel[0] * source.shape.kernel[1];
    let matrix = Matrix::depthwise_conv2d(source.weights, channels, taps)?;
    let blocks = Blocks::new(channels, neon::DEPTHWISE_LANES[0], neon::DEPTHWISE_LANES[1]);
    let mut weights = Vec::new();
    for block in blocks {
        for tap in 0..taps {
            weights.extend((block.first..block.first + block.lanes).map(|channel| matrix.get(channel, tap)));
        }
    }
    if !(0..channels).all(|channel| depthwise_sums_fit(&matrix, channel)) {
        return None;
    }
    let records = Channels::new(source, |o| matrix.sum(o))?.records(blocks, 1);
    Some(PackedConstants { packing, weights, records })
}

/// Returns whether the products of a channel's taps 2i and 2i + 1, which the kernels add first, always fit an int16.
pub fn depthwise_sums_fit(matrix: &Matrix<'_>, channel: usize) -> bool {
    let magnitude = |tap| u32::from(matrix.get(channel, tap).unsigned_abs());
    (0..matrix.inputs()).step_by(2).all(|tap| magnitude(tap) + magnitude(tap + 1) <= PAIR_MAX)
}
