//! Parameters of the operators that pick values: along an axis, between rows and columns, the lesser or the greater.

use tanbo_quant::Multiplier;

use super::{Image, Integer, Output};

/// Selection along one axis.
#[derive(Clone, Copy, Debug)]
pub struct Gather<'a> {
    /// Input shape.
    pub shape: &'a [u32],
    /// Axis along which is selected.
    pub axis: usize,
    /// Positions along the axis, each inside it.
    pub indices: &'a [i32],
    /// Bytes of an element.
    pub element_bytes: usize,
}

/// Where the outputs of one axis lie between the inputs.
#[derive(Clone, Copy, Debug)]
pub struct Interpolation<'a> {
    /// For each output the input before it; the other one is the next, or the same at the end.
    pub positions: &'a [i32],
    /// For each output the weight of the other one, in `0..=unit`.
    pub weights: &'a [i32],
    /// The weight that stands for one.
    pub unit: i32,
}

/// Bilinear interpolation over height and width.
#[derive(Clone, Copy, Debug)]
pub struct ResizeBilinear<'a> {
    /// Input image.
    pub input: Image,
    /// Output image.
    pub output: Image,
    /// Rows and columns; the product of their units is at most 2^23.
    pub axes: [Interpolation<'a>; 2],
    /// Zero point of the input; TensorFlow Lite rounding does not use it.
    pub input_zero_point: i32,
    /// Input scale / (output scale · units); TensorFlow Lite rounding does not use it.
    pub multiplier: Multiplier,
    /// Output.
    pub range: Output,
}

/// The lesser or the greater of two tensors' values, which share scale and zero point.
#[derive(Clone, Copy, Debug)]
pub struct Pairwise<'a> {
    /// Shapes of the inputs; aligned at the last axis, an axis of 1 repeats.
    pub shapes: [&'a [u32]; 2],
    /// Output shape.
    pub output_shape: &'a [u32],
    /// Type of all three.
    pub ty: Integer,
}

/// The least or the greatest value over the axes whose bit is set.
#[derive(Clone, Copy, Debug)]
pub struct Reduction<'a> {
    /// Input shape.
    pub shape: &'a [u32],
    /// Bit `i` for axis `i`.
    pub axes: u32,
    /// Type of input and output.
    pub ty: Integer,
}
