//! Packs for AArch64 with the dot product.

use alloc::vec::Vec;

use tanbo_packing::arm::{Blocks, taps};
use tanbo_packing::neon::DEPTHWISE_LANES;
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
        Kind::DepthwiseConv2d if dotprod::has_columns(shape) => return columns(source),
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

/// Packs a depthwise step of three by three taps: for each block of 16 channels its columns of taps, filled up with a zero behind for
/// the upper of two output rows, then before for the lower one; blocks of 8 channels as NEON's.
fn columns(source: &Source<'_>) -> Option<PackedConstants> {
    let channels = source.shape.output[2];
    let matrix = Matrix::depthwise_conv2d(source.weights, channels, 9)?;
    let blocks = Blocks::new(channels, DEPTHWISE_LANES[0], DEPTHWISE_LANES[1]);
    let mut weights = Vec::new();
    for block in blocks {
        let lanes = block.first..block.first + block.lanes;
        if block.lanes != 16 {
            if !lanes.clone().all(|channel| neon::pack::depthwise_sums_fit(&matrix, channel)) {
                return None;
            }
            weights.extend((0..9).flat_map(|tap| lanes.clone().map(move |channel| matrix.get(channel, tap))));
            continue;
        }
        for zero_behind in [true, false] {
            for column in 0..3 {
                for channel in lanes.clone() {
                    let [a, b, c] = [0, 3, 6].map(|line| matrix.get(channel, line + column));
                    weights.extend(if zero_behind { [a, b, c, 0] } else { [0, a, b, c] });
                }
            }
        }
    }
    let records = Channels::new(source, |o| matrix.sum(o))?.records(blocks, 1);
    Some(PackedConstants { packing: dotprod::LAYOUT.packing, weights, records })
}
