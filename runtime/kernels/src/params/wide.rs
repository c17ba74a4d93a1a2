//! Parameters of the kernels of int16 activations, where they differ from those of int8: zero points are 0.

use tanbo_quant::{Multiplier, Rounding, requantize, requantize_wide};

use super::{Image, Multipliers, Window};

/// Bounds of an int16 output.
#[derive(Clone, Copy, Debug)]
pub struct OutputI16 {
    /// Least value.
    pub low: i32,
    /// Greatest value.
    pub high: i32,
    /// Rounding of the requantization.
    pub rounding: Rounding,
    /// The accumulator counts modulo 2^32, as a signed word, and takes the multiplication of 32 bits.
    pub narrow: bool,
}

impl OutputI16 {
    /// Returns the accumulator, at most [`Multiplier::MAX_WIDE`], as an output value.
    #[inline]
    pub fn requantize(&self, accumulator: i64, multiplier: Multiplier) -> i16 {
        let value = if self.narrow {
            requantize(accumulator as i32, multiplier, self.rounding, 0, self.low, self.high)
        } else {
            requantize_wide(accumulator, multiplier, self.rounding, self.low, self.high)
        };
        value as i16
    }
}

/// Convolution of int16 activations. Weights are `[output channels, kernel height, kernel width, input channels / groups]`.
#[derive(Clone, Copy, Debug)]
pub struct Conv2dI16<'a> {
    /// Geometry.
    pub window: Window,
    /// Input image.
    pub input: Image,
    /// Output image.
    pub output: Image,
    /// Groups that channels fall into.
    pub groups: usize,
    /// Weights.
    pub weights: &'a [i8],
    /// One per output channel, at scale input · weight.
    pub bias: &'a [i64],
    /// Input scale · weight scale / output scale.
    pub multipliers: Multipliers<'a>,
    /// Output.
    pub range: OutputI16,
}

/// Depthwise convolution of int16 activations. Weights are `[kernel height, kernel width, output channels]`; output channel
/// `o` reads input channel `o / (output channels / input channels)`.
#[derive(Clone, Copy, Debug)]
pub struct DepthwiseConv2dI16<'a> {
    /// Geometry.
    pub window: Window,
    /// Input image.
    pub input: Image,
    /// Output image.
    pub output: Image,
    /// Weights.
    pub weights: &'a [i8],
    /// One per output channel, at scale input · weight.
    pub bias: &'a [i64],
    /// Input scale · weight scale / output scale.
    pub multipliers: Multipliers<'a>,
    /// Output.
    pub range: OutputI16,
}

/// Matrix product of int16 activations: input `[.., k]`, weights `[outputs, k]`, output `[.., outputs]`.
#[derive(Clone, Copy, Debug)]
pub struct FullyConnectedI16<'a> {
    /// Weights.
    pub weights: &'a [i8],
    /// One per output, at scale input · weight.
    pub bias: &'a [i64],
    /// Input scale · weight scale / output scale.
    pub multipliers: Multipliers<'a>,
    /// Output.
    pub range: OutputI16,
}

/// A table of an int16 function: its entries are `2^interpolated_bits` inputs apart, from -32768 on.
#[derive(Clone, Copy, Debug)]
pub struct LutI16<'a> {
    /// Low bits of the input that lie on the line between two entries, at most 12.
    pub interpolated_bits: u32,
    /// `2^(16 - interpolated_bits) + 1` entries.
    pub table: &'a [i16],
}

/// Logistic function or hyperbolic tangent.
#[derive(Clone, Copy, Debug)]
pub struct SigmoidI16<'a> {
    /// The hyperbolic tangent.
    pub tanh: bool,
    /// Factor of the input, at most 32767.
    pub multiplier: i32,
    /// Bits by which the product is shifted right to units of 1/12288, at most 31.
    pub right_shift: u32,
    /// The logistic function of `i/24` for `i` in `0..256`, in 16 fraction bits, less 2^15.
    pub table: &'a [i16],
}

/// Softmax of int16 activations over runs of `length` values.
#[derive(Clone, Copy, Debug)]
pub struct SoftmaxI16<'a> {
    /// Length of the last axis.
    pub length: usize,
    /// TensorFlow Lite rounding: beta · input scale · 6553.5. Single rounding: 1 / (output scale · 2^30).
    pub multiplier: Multiplier,
    /// Rounding.
    pub rounding: Rounding,
    /// TensorFlow Lite rounding: 513 entries of exp on [-10, 0] and 513 of 1/(1 + x) on [0, 1], in Q15.
    pub tables: &'a [i16],
    /// Single rounding: exp(-256·i · input scale) for `i` in `0..256`, then exp(-i · input scale), in 30 fraction bits.
    pub exponentials: &'a [i32],
}
