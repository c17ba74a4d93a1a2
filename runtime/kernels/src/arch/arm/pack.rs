//! Folds, scales and blocks that the packings for NEON share.

use alloc::vec::Vec;

use tanbo_packing::arm::{Blocks, HEADER_WORDS};
use tanbo_quant::{Multiplier, Rounding};

use super::scaling;
use crate::pack::Source;

/// What lanes need of an output channel besides its weights.
#[derive(Clone, Copy, Debug)]
pub struct Channel {
    /// Bias with the zero point's share folded in.
    pub bias: i32,
    /// Mantissa.
    pub mantissa: i32,
    /// Shift after the product, as SRSHL takes it: to the right if negative.
    pub right: i32,
    /// Shift before the product.
    pub left: i32,
}

/// The source's channels and how all of them are scaled.
#[derive(Clone, Debug)]
pub struct Channels {
    /// One of [`scaling`].
    pub mode: i32,
    /// One per output channel.
    pub channels: Vec<Channel>,
}

/// Least mantissa whose product with a saturated accumulator surely lies outside int8.
const LEAST_MANTISSA: i32 = 1 << 16;

impl Channels {
    /// Returns the channels of a source; `weight_sum(o)` is the sum of the weights of channel `o`. `None` if a mantissa is
    /// too small for the lanes' way of scaling to be exact.
    pub fn new(source: &Source<'_>, weight_sum: impl Fn(usize) -> i32) -> Option<Self> {
        let multipliers = source.multipliers;
        if !multipliers.covers(source.bias.len()) || source.bias.len() != source.shape.output[2] {
            return None;
        }
        let all = || (0..source.bias.len()).map(|o| multipliers.get(o));
        let mode = match source.range.rounding {
            Rounding::Single if all().all(|m| m.shift < 0) => scaling::SINGLE,
            Rounding::Single => scaling::SINGLE_LEFT,
            Rounding::Tflite if all().any(|m| m.shift > 0) => scaling::TFLITE_LEFT,
            Rounding::Tflite if source.range.low >= source.range.zero_point => scaling::TFLITE_POSITIVE,
            Rounding::Tflite if all().any(|m| m.shift == 0) => scaling::TFLITE_LEFT,
            Rounding::Tflite => scaling::TFLITE,
        };
        let channels = (0..source.bias.len()).map(|o| {
            let Multiplier { mantissa, shift } = multipliers.get(o);
            let single = source.range.rounding == Rounding::Single;
            // Single rounding shifts right by one at least.
            let right = if single { shift.min(-1) } else { shift.min(0) };
            let left = shift - right;
            if single && left > 0 && mantissa != 0 && mantissa < LEAST_MANTISSA {
                return None;
            }
            let fold = source.input_zero_point.wrapping_mul(weight_sum(o));
            Some(Channel { bias: source.bias[o].wrapping_sub(fold), mantissa, right, left })
        });
        Some(Self { mode, channels: channels.collect::<Option<_>>()? })
    }

    /// Returns header and records: for each block, its biases, each spread over `spread` words whose others are zero, then
    /// mantissas, shifts after and shifts before.
    pub fn records(&self, blocks: Blocks, spread: usize) -> Vec<i32> {
        let mut records = Vec::from([0; HEADER_WORDS]);
        records[0] = self.mode;
        for block in blocks {
            let lane = |lane: usize| self.channels.get(block.first + lane).copied();
            let mut field = |words: usize, field: fn(Channel) -> i32| {
                for i in 0..block.lanes {
                    records.push(lane(i).map_or(0, field));
                    records.extend(core::iter::repeat_n(0, words - 1));
                }
            };
            field(spread, |channel| channel.bias);
            field(1, |channel| channel.mantissa);
            field(1, |channel| channel.right);
            field(1, |channel| channel.left);
        }
        records
    }
}

/// Weights of a convolution, read by channel and input.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    weights: &'a [i8],
    inputs: usize,
    /// The distance between the weights of neighbouring inputs, and of neighbouring channels.
    steps: [usize; 2],
    channels: usize,
}

impl<'a> Matrix<'a> {
    /// Returns the weights of a convolution, OHWI.
    pub fn conv2d(weights: &'a [i8], channels: usize, inputs: usize) -> Option<Self> {
        let long_enough = channels.checked_mul(inputs)? == weights.len() && inputs > 0;
        long_enough.then_some(Self { weights, inputs, steps: [1, inputs], channels })
    }

    /// Returns the weights of a depthwise convolution over one input channel, HWO.
    pub fn depthwise_conv2d(weights: &'a [i8], channels: usize, inputs: usize) -> Option<Self> {
        Self::conv2d(weights, channels, inputs).map(|matrix| Self { steps: [channels, 1], ..matrix })
    }

    /// Returns how many weights a channel has.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Returns the weight, 0 beyond the matrix.
    pub fn get(&self, channel: usize, input: usize) -> i8 {
        if channel >= self.channels || input >= self.inputs {
            return 0;
        }
        self.weights[input * self.steps[0] + channel * self.steps[1]]
    }

    /// Returns the sum of a channel's weights.
    pub fn sum(&self, channel: usize) -> i32 {
        (0..self.inputs).map(|input| i32::from(self.get(channel, input))).sum()
    }
}

/// Distance between the two inputs whose int8 products an int16 lane sums up.
const PAIR: usize = 8;

/// Greatest sum of two weights' magnitudes whose products with int8 values fit an int16: `255 · 128 < 2^15`.
pub const PAIR_MAX: u32 = 255;

/// Returns whether the products of a channel's inputs that lie 8 apart in 16 always fit an int16 together.
pub fn pairs_fit(matrix: &Matrix<'_>, channel: usize) -> bool {
    (0..matrix.inputs()).step_by(2 * PAIR).all(|from| {
        let magnitude = |input| u32::from(matrix.get(channel, input).unsigned_abs());
        (from..from + PAIR).all(|input| magnitude(input) + magnitude(input + PAIR) <= PAIR_MAX)
    })
}
