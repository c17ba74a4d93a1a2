//! Plain parameters of the kernels: shapes in elements, zero points and bounds in the tensors' own integers.

mod dense;
mod norm;
mod recurrent;
mod selection;
mod wide;

use tanbo_packing::{Packing, Shape};
use tanbo_quant::{Multiplier, Rounding, requantize};

pub use dense::BatchMatmul;
pub use norm::*;
pub use recurrent::*;
pub use selection::*;
pub use wide::*;

/// Highest rank of the operators that take any shape.
pub const MAX_RANK: usize = 6;

/// A window moving over height (index 0) and width (index 1).
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Taps.
    pub kernel: [usize; 2],
    /// Distance between outputs.
    pub stride: [usize; 2],
    /// Distance between taps.
    pub dilation: [usize; 2],
    /// Padding above and to the left.
    pub pad: [usize; 2],
}

impl Window {
    /// Returns the input position under tap `tap` of output `output` along `axis`, if it lies inside `0..len`.
    #[inline]
    pub fn position(&self, axis: usize, output: usize, tap: usize, len: usize) -> Option<usize> {
        (output * self.stride[axis] + tap * self.dilation[axis]).checked_sub(self.pad[axis]).filter(|&p| p < len)
    }

    /// Returns the input position in `0..len` that tap `tap` of a transposed convolution spreads over output `output`
    /// along `axis`, if there is one.
    #[inline]
    pub fn transposed_position(&self, axis: usize, output: usize, tap: usize, len: usize) -> Option<usize> {
        let distance = (output + self.pad[axis]).checked_sub(tap * self.dilation[axis])?;
        let position = distance / self.stride[axis];
        (position * self.stride[axis] == distance && position < len).then_some(position)
    }
}

/// Height, width and channels of an image; rows of several images follow one another.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels.
    pub channels: usize,
}

impl Image {
    /// Returns the number of values in a row.
    pub fn row_len(&self) -> usize {
        self.width * self.channels
    }
}

/// Bounds and zero point of an output.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// Zero point.
    pub zero_point: i32,
    /// Least value.
    pub low: i32,
    /// Greatest value.
    pub high: i32,
    /// Rounding of the requantization.
    pub rounding: Rounding,
}

impl Output {
    /// Returns the accumulator as an output value.
    #[inline]
    pub fn requantize(&self, accumulator: i32, multiplier: Multiplier) -> i32 {
        requantize(accumulator, multiplier, self.rounding, self.zero_point, self.low, self.high)
    }

    /// Returns the sum as an average: the multiplier holds the division. In single rounding an exact half goes to the
    /// even neighbour, before the zero point is added.
    #[inline]
    pub fn average(&self, sum: i32, multiplier: Multiplier) -> i32 {
        match self.rounding {
            Rounding::Single => {
                multiplier.apply_half_even(sum).saturating_add(self.zero_point).clamp(self.low, self.high)
            }
            Rounding::Tflite => self.requantize(sum, multiplier),
        }
    }
}

/// One multiplier for all channels, or one for each.
#[derive(Clone, Copy, Debug)]
pub struct Multipliers<'a> {
    /// Mantissas; one, or one per channel.
    pub mantissas: &'a [i32],
    /// Shifts, as many as mantissas.
    pub shifts: &'a [i8],
}

impl Multipliers<'_> {
    /// Returns the multiplier of `channel`.
    #[inline]
    pub fn get(&self, channel: usize) -> Multiplier {
        let index = if self.shifts.len() == 1 { 0 } else { channel };
        Multiplier { mantissa: self.mantissas[index], shift: i32::from(self.shifts[index]) }
    }

    /// Returns whether there is one multiplier, or one for each of `channels`.
    pub fn covers(&self, channels: usize) -> bool {
        self.mantissas.len() == self.shifts.len() && (self.shifts.len() == 1 || self.shifts.len() == channels)
    }
}

/// Convolution, also transposed. Weights are `[output channels, kernel height, kernel width, input channels / groups]`;
/// weights of four bits lie two to a byte, the first in the low half, here and in the parameters below.
#[derive(Clone, Copy, Debug)]
pub struct Conv2d<'a> {
    /// Geometry.
    pub window: Window,
    /// Input image.
    pub input: Image,
    /// Output image.
    pub output: Image,
    /// Groups that channels fall into.
    pub groups: usize,
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Weights.
    pub weights: &'a [i8],
    /// One per output channel, at scale input · weight.
    pub bias: &'a [i32],
    /// Input scale · weight scale / output scale.
    pub multipliers: Multipliers<'a>,
    /// Output.
    pub range: Output,
}

/// Depthwise convolution. Weights are `[kernel height, kernel width, output channels]`; output channel `o` reads input
/// channel `o / (output channels / input channels)`.
#[derive(Clone, Copy, Debug)]
pub struct DepthwiseConv2d<'a> {
    /// Geometry.
    pub window: Window,
    /// Input image.
    pub input: Image,
    /// Output image.
    pub output: Image,
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Weights.
    pub weights: &'a [i8],
    /// One per output channel, at scale input · weight.
    pub bias: &'a [i32],
    /// Input scale · weight scale / output scale.
    pub multipliers: Multipliers<'a>,
    /// Output.
    pub range: Output,
}

/// Matrix product: input `[.., k]`, weights `[outputs, k]`, output `[.., outputs]`.
#[derive(Clone, Copy, Debug)]
pub struct FullyConnected<'a> {
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Weights.
    pub weights: &'a [i8],
    /// One per output, at scale input · weight.
    pub bias: &'a [i32],
    /// Input scale · weight scale / output scale.
    pub multipliers: Multipliers<'a>,
    /// Output.
    pub range: Output,
}

/// A convolution, a depthwise convolution or a matrix product whose constants are packed for a kernel family.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'a> {
    /// Layout of the constants.
    pub packing: Packing,
    /// Geometry and images.
    pub shape: Shape,
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Packed weights, as many bytes as the packing says.
    pub weights: &'a [i8],
    /// What the kernel wants of each output channel besides, as many words as the packing says.
    pub records: &'a [i32],
    /// Output.
    pub range: Output,
}

/// Average pooling. `divisors` is empty in TensorFlow Lite rounding; otherwise entry `n - 1` scales a sum of `n` taps.
#[derive(Clone, Copy, Debug)]
pub struct AveragePool2d<'a> {
    /// Geometry.
    pub window: Window,
    /// Input image.
    pub input: Image,
    /// Output image.
    pub output: Image,
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Input scale / (output scale · taps), per number of taps.
    pub divisors: Multipliers<'a>,
    /// Output.
    pub range: Output,
}

/// Maximum pooling.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool2d {
    /// Geometry.
    pub window: Window,
    /// Input image.
    pub input: Image,
    /// Output image.
    pub output: Image,
    /// Least and greatest output.
    pub bounds: [i32; 2],
}

/// Mean over the axes whose bit is set.
#[derive(Clone, Copy, Debug)]
pub struct Mean<'a> {
    /// Input shape.
    pub shape: &'a [u32],
    /// Bit `i` for axis `i`.
    pub axes: u32,
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Input scale / (output scale · number of values).
    pub multiplier: Multiplier,
    /// Output.
    pub range: Output,
}

/// Sum or difference: each input is shifted left, scaled, then the result is scaled to the output.
#[derive(Clone, Copy, Debug)]
pub struct Sum<'a> {
    /// Shapes of the inputs; aligned at the last axis, an axis of 1 repeats.
    pub shapes: [&'a [u32]; 2],
    /// Output shape.
    pub output_shape: &'a [u32],
    /// Zero points of the inputs.
    pub zero_points: [i32; 2],
    /// Headroom in bits.
    pub left_shift: i32,
    /// Multipliers of the inputs.
    pub multipliers: [Multiplier; 2],
    /// Multiplier of the result.
    pub multiplier: Multiplier,
    /// Output.
    pub range: Output,
}

/// Product.
#[derive(Clone, Copy, Debug)]
pub struct Product<'a> {
    /// Shapes of the inputs; aligned at the last axis, an axis of 1 repeats.
    pub shapes: [&'a [u32]; 2],
    /// Output shape.
    pub output_shape: &'a [u32],
    /// Zero points of the inputs.
    pub zero_points: [i32; 2],
    /// Scale of input 1 · scale of input 2 / output scale.
    pub multiplier: Multiplier,
    /// Output.
    pub range: Output,
}

/// Softmax over runs of `length` values.
#[derive(Clone, Copy, Debug)]
pub struct Softmax<'a> {
    /// Length of the last axis.
    pub length: usize,
    /// TensorFlow Lite rounding: beta · input scale · 2^26. Single rounding: 1 / (output scale · 2^24).
    pub multiplier: Multiplier,
    /// TensorFlow Lite rounding: differences below this give zero.
    pub diff_min: i32,
    /// Single rounding: `round(exp(-d · input scale) · 2^23)` for `d` in `0..256`.
    pub exponentials: &'a [i32],
    /// Output.
    pub range: Output,
}

/// Constant border.
#[derive(Clone, Copy, Debug)]
pub struct Pad<'a> {
    /// Input shape.
    pub input_shape: &'a [u32],
    /// Output shape.
    pub output_shape: &'a [u32],
    /// Elements before the input, per axis.
    pub before: [i32; MAX_RANK],
    /// Little-endian element that fills the border.
    pub value: [u8; 4],
    /// Bytes of an element.
    pub element_bytes: usize,
}

/// Place of one input in a concatenation.
#[derive(Clone, Copy, Debug)]
pub struct Concat<'a> {
    /// Shape of this input.
    pub input_shape: &'a [u32],
    /// Output shape.
    pub output_shape: &'a [u32],
    /// Axis along which inputs are joined.
    pub axis: usize,
    /// Where this input begins along the axis.
    pub begin: usize,
    /// Bytes of an element.
    pub element_bytes: usize,
}

/// Strided selection.
#[derive(Clone, Copy, Debug)]
pub struct Slice<'a> {
    /// Input shape.
    pub input_shape: &'a [u32],
    /// Output shape.
    pub output_shape: &'a [u32],
    /// First element per axis.
    pub begin: [i32; MAX_RANK],
    /// Distance between elements per axis; 0 repeats.
    pub stride: [i32; MAX_RANK],
    /// Bytes of an element.
    pub element_bytes: usize,
}

/// Permutation of axes.
#[derive(Clone, Copy, Debug)]
pub struct Transpose<'a> {
    /// Input shape.
    pub input_shape: &'a [u32],
    /// Output shape.
    pub output_shape: &'a [u32],
    /// Input axis of each output axis.
    pub perm: [i32; MAX_RANK],
    /// Bytes of an element.
    pub element_bytes: usize,
}

/// Integer type of a requantized tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integer {
    /// Signed byte.
    I8,
    /// Unsigned byte.
    U8,
    /// 16-bit, little-endian.
    I16,
}

impl Integer {
    /// Returns the size in bytes.
    pub fn bytes(self) -> usize {
        if self == Self::I16 { 2 } else { 1 }
    }
}

/// Change of scale, zero point or type.
#[derive(Clone, Copy, Debug)]
pub struct Requantize {
    /// Type of the input.
    pub from: Integer,
    /// Type of the output.
    pub to: Integer,
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Input scale / output scale.
    pub multiplier: Multiplier,
    /// Output.
    pub range: Output,
}
