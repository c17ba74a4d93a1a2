//! Packs for ARMv7 with NEON.

use alloc::vec::Vec;

use tanbo_packing::arm::{Blocks, taps};
use tanbo_packing::armv7::{DEPTHWISE_LANES, INPUTS, LANES, LAYOUT};
use tanbo_packing::{Kind, Shape};

use crate::arch::arm::pack::{Channels, Matrix, pairs_fit};
use crate::pack::{PackedConstants, Source};

/// Packs a step; `None` where a pair of weights could overflow an int16 sum of products (both are -128).
pub fn pack(source: &Source<'_>) -> Option<PackedConstants> {
    let shape: &Shape = source.shape;
    let channels = shape.output[2];
    (LAYOUT.sizes)(source.kind, shape)?;
    let depthwise = source.kind == Kind::DepthwiseConv2d && shape.input[2] != 1;
    let mut weights = Vec::new();
    let (matrix, lanes) = if depthwise {
        let taps = shape.kernel[0] * shape.kernel[1];
        let matrix = Matrix::depthwise_conv2d(source.weights, channels, taps)?;
        for first in (0..channels).step_by(DEPTHWISE_LANES) {
            weights.extend((0..taps).flat_map(|tap| (first..first + DEPTHWISE_LANES).map(move |o| matrix.get(o, tap))));
        }
        (matrix, DEPTHWISE_LANES)
    } else {
        let inputs = taps(shape)?;
        let matrix = match source.kind {
            Kind::Conv2d => Matrix::conv2d(source.weights, channels, inputs)?,
            Kind::DepthwiseConv2d => Matrix::depthwise_conv2d(source.weights, channels, inputs)?,
        };
        if !(0..channels).all(|channel| pairs_fit(&matrix, channel)) {
            return None;
        }
        for first in (0..channels).step_by(LANES) {
            for from in (0..inputs).step_by(INPUTS) {
                for channel in first..first + LANES {
                    weights.extend((from..from + INPUTS).map(|input| matrix.get(channel, input)));
                }
            }
        }
        (matrix, LANES)
    };
    let blocks = Blocks::new(channels.next_multiple_of(lanes), lanes, lanes);
    let records = Channels::new(source, |o| matrix.sum(o))?.records(blocks, 1);
    Some(PackedConstants { packing: LAYOUT.packing, weights, records })
}
