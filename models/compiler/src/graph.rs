//! The graph between importers and lowering: quantized tensors in NHWC, nodes with real scales.
//!
//! An importer has done all that depends on the source format: layout, padding rules, fused
//! activations as clamps, which rounding the source's judge uses. What is left to lowering is the
//! arithmetic from real scales to integer multipliers.

use tanbo_format::ElementType;
use tanbo_format::emit::StateStart;
use tanbo_quant::Rounding;

use crate::resize::Interpolation;

/// Index of a tensor in [`Graph::tensors`].
pub type TensorId = usize;

/// A quantized model in Tanbo's layout.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// Name of the model, for messages.
    pub name: String,
    /// Every activation and every constant that stands where an activation could.
    pub tensors: Vec<Tensor>,
    /// Nodes in an order in which each reads only what earlier ones wrote.
    pub nodes: Vec<Node>,
    /// Inputs in the source model's order.
    pub inputs: Vec<Port>,
    /// Outputs in the source model's order.
    pub outputs: Vec<Port>,
    /// Tensors that keep their content between runs.
    pub states: Vec<State>,
}

/// A tensor that keeps its content between runs.
#[derive(Clone, Debug)]
pub struct State {
    /// The graph's tensor, which has no data.
    pub tensor: TensorId,
    /// What it holds before the first run.
    pub start: StateStart,
}

/// A tensor of the graph: real = scale · (q − zero_point).
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Name in the source model.
    pub name: String,
    /// Shape, NHWC where it has four axes; at most `MAX_RANK`.
    pub shape: Vec<usize>,
    /// Element type in the artifact.
    pub ty: ElementType,
    /// Real distance between two neighbouring integers.
    pub scale: f32,
    /// The integer that stands for zero.
    pub zero_point: i32,
    /// Little-endian elements, if the tensor is a constant.
    pub data: Option<Vec<u8>>,
}

impl Tensor {
    /// Returns the number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// One operation.
#[derive(Clone, Debug)]
pub struct Node {
    /// Name of the source node, for messages.
    pub name: String,
    /// What it computes.
    pub op: NodeOp,
    /// Activations read.
    pub inputs: Vec<TensorId>,
    /// States read and written in place.
    pub states: Vec<TensorId>,
    /// The activation written, which may be a state.
    pub output: TensorId,
    /// Rounding of its requantizations: the one of the source format's judge.
    pub rounding: Rounding,
}

/// A window moving over height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width in taps.
    pub kernel: [usize; 2],
    /// Step between outputs.
    pub stride: [usize; 2],
    /// Distance between taps.
    pub dilation: [usize; 2],
    /// Padding before the first row and the first column; what follows the last is implied by the
    /// output's shape.
    pub pad: [usize; 2],
}

/// Bounds of the output in its own integers: int8 saturation and a fused activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clamp {
    /// Least value.
    pub low: i32,
    /// Greatest value.
    pub high: i32,
}

impl Clamp {
    /// No activation: the range of int8.
    pub const INT8: Self = Self { low: -128, high: 127 };

    /// No activation: the range of the type.
    pub const fn full(ty: ElementType) -> Self {
        let (low, high) = ty.range();
        Self { low, high }
    }
}

/// A bias, in the integers of the source: those that its kernels accumulate in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bias {
    /// 32 bits.
    I32(Vec<i32>),
    /// 64 bits: int16 activations only.
    I64(Vec<i64>),
}

impl Bias {
    /// Returns the number of output channels.
    pub fn len(&self) -> usize {
        match self {
            Self::I32(values) => values.len(),
            Self::I64(values) => values.len(),
        }
    }

    /// Returns whether there is no output channel.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the values with 64 bits.
    pub fn widened(&self) -> Vec<i64> {
        match self {
            Self::I32(values) => values.iter().map(|&b| b.into()).collect(),
            Self::I64(values) => values.clone(),
        }
    }
}

/// Constant weights with their bias at scale input · weight.
#[derive(Clone, Debug)]
pub struct Weights {
    /// Values: OHWI for a convolution (I = channels / groups), HWO for a depthwise one, \[out, in\] for
    /// a fully connected one.
    pub data: Vec<i8>,
    /// One scale (per tensor) or one per output channel.
    pub scales: Vec<f32>,
    /// One value per output channel; zeros where the source has none.
    pub bias: Bias,
    /// All values lie in \[-8, 7\], and the artifact is to hold them in four bits each.
    pub four_bits: bool,
}

/// Normalization of runs of values: real factors and terms, one for each value of a run.
#[derive(Clone, Debug)]
pub struct Normalization {
    /// Factors.
    pub gamma: Vec<f64>,
    /// Terms.
    pub beta: Vec<f64>,
    /// What is added to the variance.
    pub epsilon: f64,
    /// Values are centred on their mean; otherwise on zero.
    pub center: bool,
}

/// Constants of an SVDF.
#[derive(Clone, Debug)]
pub struct Svdf {
    /// Filters per unit.
    pub rank: usize,
    /// `[filters, inputs]`.
    pub feature_weights: Vec<i8>,
    /// Their scale.
    pub feature_scale: f32,
    /// `[filters, memory]`, the oldest first.
    pub time_weights: Vec<i16>,
    /// Their scale.
    pub time_scale: f32,
    /// One value per unit, at scale state · time weight.
    pub bias: Vec<i32>,
}

/// Constants of a recurrent layer, gates one after the other: input, forget, cell, output of an LSTM; update, reset, new of
/// a GRU.
#[derive(Clone, Debug)]
pub struct Recurrence {
    /// `[gates, units, inputs]`.
    pub input_weights: Vec<i8>,
    /// One per gate, or one per gate and unit.
    pub input_scales: Vec<f32>,
    /// `[gates, units, units]`.
    pub recurrent_weights: Vec<i8>,
    /// One per gate, or one per gate and unit.
    pub recurrent_scales: Vec<f32>,
    /// `[gates, units]`, at scale input · input weight.
    pub bias: Vec<i64>,
    /// `[units]`, at scale hidden · recurrent weight: of the new gate of a GRU that is linear before reset; else empty.
    pub recurrent_bias: Vec<i64>,
    /// Sequences are `[steps, batch, values]`, otherwise `[batch, steps, values]`.
    pub time_major: bool,
    /// The last step first.
    pub reverse: bool,
    /// States keep their content between runs.
    pub keep: bool,
}

/// What a node computes.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "fields are named by their documented types, or explained with the variant")]
pub enum NodeOp {
    /// Convolution, `[N,H,W,C] -> [N,OH,OW,CO]`.
    Conv2d { window: Window, groups: usize, weights: Weights, clamp: Clamp },
    /// Depthwise convolution, `[N,H,W,C] -> [N,OH,OW,C·multiplier]`.
    DepthwiseConv2d { window: Window, weights: Weights, clamp: Clamp },
    /// Transposed convolution, `[N,H,W,C] -> [N,OH,OW,CO]`: input row `i` and tap `k` meet output row
    /// `i·stride - pad + k·dilation`. Weights OHWI.
    TransposeConv2d { window: Window, groups: usize, weights: Weights, clamp: Clamp },
    /// Products of two stacks of matrices, `[.., M, K] x [.., K, N] -> [.., M, N]`; either operand's last two axes may be
    /// exchanged, the others broadcast.
    BatchMatmul { transposed: [bool; 2], clamp: Clamp },
    /// Matrix product over the last axis (or over all elements), `[.., K] -> [.., M]`.
    FullyConnected { weights: Weights, clamp: Clamp },
    /// Average over the valid taps, or over all taps with `count_include_pad`.
    AveragePool2d { window: Window, clamp: Clamp, count_include_pad: bool },
    /// Maximum over the valid taps; input and output have one scale.
    MaxPool2d { window: Window, clamp: Clamp },
    /// Mean over `axes`; the output may keep them as ones or drop them.
    Mean { axes: Vec<usize>, clamp: Clamp },
    /// Sum, broadcasting.
    Add { clamp: Clamp },
    /// First minus second, broadcasting.
    Sub { clamp: Clamp },
    /// Product, broadcasting.
    Mul { clamp: Clamp },
    /// A function of one value: `table[q + 128]`.
    Lut { table: Box<[i8; 256]> },
    /// A function of one int16 value: entries `2^interpolated_bits` apart from -32768 on, lines between them.
    LutI16 { interpolated_bits: u32, table: Vec<i16> },
    /// Logistic function, or hyperbolic tangent, of int16 values as TensorFlow Lite computes them; the output's scale is 1/32768.
    SigmoidI16 { tanh: bool },
    /// Softmax of beta times the input over the last axis.
    Softmax { beta: f32 },
    /// Constant border of `value` (an integer of the tensor's own type); `before` per axis.
    Pad { before: Vec<usize>, value: i32 },
    /// Join along `axis`; all scales equal.
    Concat { axis: usize },
    /// Elements `begin + i·stride` per axis; a stride may be negative (reverse) or 0 (repeat).
    Slice { begin: Vec<usize>, stride: Vec<isize> },
    /// Output axis `i` is input axis `perm[i]`.
    Transpose { perm: Vec<usize> },
    /// Same real value in another scale, zero point or integer type.
    Requantize { clamp: Clamp },
    /// `factor`, at least 0, times what Requantize gives.
    Scale { factor: f64, clamp: Clamp },
    /// Positions `indices` along `axis`.
    Gather { axis: usize, indices: Vec<usize> },
    /// Bilinear interpolation, `[N,H,W,C] -> [N,OH,OW,C]`.
    ResizeBilinear { rows: Interpolation, columns: Interpolation, clamp: Clamp },
    /// The lesser of two, broadcasting; all scales equal.
    Minimum,
    /// The greater of two, broadcasting; all scales equal.
    Maximum,
    /// The greatest over `axes`; the scales are equal.
    ReduceMax { axes: Vec<usize> },
    /// The least over `axes`; the scales are equal.
    ReduceMin { axes: Vec<usize> },
    /// Sum over `axes`; the output may keep them as ones or drop them.
    Sum { axes: Vec<usize>, clamp: Clamp },
    /// Normalization of the last values, as many as there are factors.
    LayerNorm { norm: Normalization, clamp: Clamp },
    /// First over second, broadcasting.
    Div { clamp: Clamp },
    /// Last axis divided by the root of its sum of squares; the output's scale is 1/128.
    L2Norm { clamp: Clamp },
    /// Square of the difference, broadcasting.
    SquaredDifference { clamp: Clamp },
    /// Filters over the input and over time; one state, the filters' past.
    Svdf(Svdf),
    /// Long short-term memory over a sequence; states: hidden, cell (int16, a power of two as scale). The greatest
    /// magnitude of the cell in its own integers, or 0.
    Lstm { weights: Recurrence, cell_clip: i32 },
    /// Gated recurrent unit over a sequence; state: hidden.
    Gru { weights: Recurrence, linear_before_reset: bool },
    /// Same elements in another shape: no step, a view.
    Reshape,
    /// The same elements in a storage of their own: how states are read and assigned.
    Copy,
}

/// Element type of a source model's input or output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceType {
    /// IEEE 754 single precision, quantized and dequantized at the boundary on the host.
    F32,
    /// Same as in the artifact.
    I8,
    /// Unsigned byte: the artifact holds it less 128.
    U8,
    /// Same as in the artifact.
    I16,
    /// Same as in the artifact.
    I32,
}

/// How a float input is rounded to integers at the boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundaryRounding {
    /// Halves to even: ONNX `QuantizeLinear`.
    HalfEven,
    /// Halves away from zero: TensorFlow Lite `QUANTIZE`.
    HalfAway,
}

/// An input or output: how the source model's array maps to the graph's tensor.
#[derive(Clone, Debug)]
pub struct Port {
    /// Name in the source model.
    pub name: String,
    /// The graph's tensor.
    pub tensor: TensorId,
    /// Shape in the source model (batch 1 where the source leaves it open).
    pub source_shape: Vec<usize>,
    /// Element type in the source model.
    pub source_type: SourceType,
    /// Axis `i` of the graph's array is source axis `perm[i]`; same elements then reshaped to the tensor's
    /// shape. `None`: the source's order.
    pub perm: Option<Vec<usize>>,
    /// For float sources.
    pub rounding: BoundaryRounding,
}
