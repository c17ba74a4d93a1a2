//! Packs for AArch64 with the dot product.

use alloc::vec::Vec;

use tanbo_packing::arm::{Blocks, taps};
use tanbo_packing::{Kind, dotprod};

use crate::arch::arm::pack::{Channels, Matrix};
use crate::arch::neon;
use crate::pack::{PackedConstants, Source};

/// Packs a step: for each block of channels, four inputs of each channel in turn.
pub fn pack(source: &Source<'_>) -> Option<PackedConstants> {
    let shape = source.shape;
    let channels = shape.output[2];
    (dotprod::LAYOUT.sizes)(source.kind, shape)?;
    let packing = dotprod::LAYOUT.packing;
    let matrix = match source.kind {
        Kind::Conv2d => Matrix::conv2d(source.weights, channels, taps(shape)?)?,
        Kind::DepthwiseConv2d if shape.input[2] == 1 => {
            Matrix::depthwise_conv2d(source.weights, channels, taps(shape)?)?
        }
        Kind::DepthwiseConv2d => return neon::pack::depthwise_conv2d(source, packing),
    };
    let blocks = Blocks::new(channels, dotprod::LANES[0], dotprod::LANES[1]);
    let mut weights = Vec::new();
    for block in blocks {
        for from in (0..taps(shape)?).step_by(4) {
            for channel in block.first..block.first + block.lanes {
                weights.extend((from..from + 4).map(|input| matrix.get(channel, input)));
            }
        }
    }
    let records = Channels::new(source, |o| matrix.sum(o))?.records(blocks, 1);
    Some(PackedConstants { packing, weights, records })
}
