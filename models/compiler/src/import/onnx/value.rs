//! What a name of the source graph stands for while the nodes are walked in order.

use std::rc::Rc;

use super::constant::{Constant, Dequantized};
use super::recurrent::Layer;
use crate::graph::{Normalization, TensorId, Window};
use crate::resize::Interpolation;
use tanbo_format::ElementType;

/// Scale, zero point and type: int8 (uint8's zero point less 128), or int16 with zero point 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Quant {
    pub scale: f32,
    pub zero_point: i32,
    pub ty: ElementType,
}

impl Quant {
    /// Returns the quantization of an int8 tensor.
    pub(super) fn int8(scale: f32, zero_point: i32) -> Self {
        Self { scale, zero_point, ty: ElementType::I8 }
    }

    /// Returns every integer of the type, in order.
    pub(super) fn integers(self) -> std::ops::RangeInclusive<i32> {
        let (low, high) = self.ty.range();
        low..=high
    }

    /// Returns the integer that stands for `real`: QuantizeLinear, as ONNX Runtime computes it.
    pub(super) fn quantize(self, real: f32) -> i32 {
        let (low, high) = self.ty.range();
        tanbo_quant::quantize(real, self.scale, self.zero_point, low, high)
    }

    /// Returns integers of the type as the bytes of a constant.
    pub(super) fn bytes(self, integers: impl Iterator<Item = i32>) -> Vec<u8> {
        match self.ty {
            ElementType::I16 => integers.flat_map(|q| (q as i16).to_le_bytes()).collect(),
            _ => integers.map(|q| q as u8).collect(),
        }
    }

    /// Returns the real value of an integer: DequantizeLinear.
    pub(super) fn dequantize(self, q: i32) -> f32 {
        (q - self.zero_point) as f32 * self.scale
    }
}

/// A tensor of the graph seen as an array of the source model: stored axis `i` is axis `perm[i]` of
/// an array of shape `core`, and the source sees that array's elements in `shape`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct View {
    pub tensor: TensorId,
    pub core: Vec<usize>,
    pub perm: Vec<usize>,
    pub shape: Vec<usize>,
}

impl View {
    /// Returns the view of a tensor that is stored as the source sees it.
    pub(super) fn plain(tensor: TensorId, shape: Vec<usize>) -> Self {
        Self { tensor, perm: (0..shape.len()).collect(), core: shape.clone(), shape }
    }

    /// Returns the view of a tensor stored with its axes permuted.
    pub(super) fn permuted(tensor: TensorId, shape: Vec<usize>, perm: Vec<usize>) -> Self {
        Self { tensor, core: shape.clone(), perm, shape }
    }

    /// Returns the stored axis that holds source axis `axis`, if the view is not reshaped.
    pub(super) fn stored_axis(&self, axis: usize) -> Option<usize> {
        (self.core == self.shape).then(|| self.perm.iter().position(|&p| p == axis)).flatten()
    }
}

/// A float array of which each element is a function of one integer.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub view: View,
    /// Quantization of the integer tensor.
    pub quant: Quant,
    /// The values for [`Quant::integers`]; `None`: the function is the dequantization itself.
    values: Option<Rc<[f32]>>,
}

impl Table {
    /// Returns the dequantized tensor.
    pub(super) fn dequantized(view: View, quant: Quant) -> Self {
        Self { view, quant, values: None }
    }

    /// Returns whether the function is the dequantization itself.
    pub(super) fn is_linear(&self) -> bool {
        self.values.is_none()
    }

    /// Returns the values for [`Quant::integers`].
    pub(super) fn values(&self) -> Rc<[f32]> {
        match &self.values {
            Some(values) => values.clone(),
            None => self.quant.integers().map(|q| self.quant.dequantize(q)).collect(),
        }
    }

    /// Returns the table of `f` of these values.
    pub(super) fn map(&self, f: impl Fn(f32) -> f32) -> Self {
        Self { values: Some(self.values().iter().map(|&real| f(real)).collect()), ..self.clone() }
    }

    /// Returns the table of `f` of these values and those of another over the same tensor.
    pub(super) fn zip(&self, other: &Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let values = self.values().iter().zip(other.values().iter()).map(|(&a, &b)| f(a, b)).collect();
        Self { values: Some(values), ..self.clone() }
    }

    pub(super) fn is_monotone(&self) -> bool {
        self.values.as_ref().is_none_or(|values| values.is_sorted())
    }
}

/// What a padded border holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Border {
    /// An integer of the tensor.
    Int(i32),
    /// A real number, quantized when the result is.
    Real(f32),
}

/// An operation that moves values or picks some of them: it gives the same on integers as on the
/// reals they stand for.
#[derive(Clone, Debug)]
pub(super) enum Move {
    Reshape(Vec<usize>),
    Transpose(Vec<usize>),
    Slice {
        begin: Vec<usize>,
        stride: Vec<isize>,
        count: Vec<usize>,
    },
    Pad {
        before: Vec<usize>,
        shape: Vec<usize>,
        border: Border,
    },
    MaxPool {
        window: Window,
        shape: Vec<usize>,
    },
    /// Positions along an axis, and the shape that they give.
    Gather {
        axis: usize,
        indices: Rc<Vec<usize>>,
        shape: Vec<usize>,
    },
    /// The greatest or the least over axes, which are kept as ones or dropped; and the shape that is left.
    Reduce {
        axes: Vec<usize>,
        keep: bool,
        greatest: bool,
        shape: Vec<usize>,
    },
}

/// A bias and where its integers come from.
#[derive(Clone, Debug)]
pub(super) enum Bias {
    /// A constant behind a DequantizeLinear: integers and one scale, or one per channel.
    Quantized { integers: Vec<i32>, scales: Vec<f32> },
    /// Real values per channel, all from integers.
    Real(Vec<f64>),
    /// Real values per channel, of which a float constant of the model is a part.
    Float(Vec<f64>),
}

/// Weights of a convolution or matrix product, output channel first.
#[derive(Clone, Debug)]
pub(super) struct LinearWeights {
    pub data: Rc<Vec<i8>>,
    pub scales: Vec<f32>,
    pub bias: Option<Bias>,
    /// The source has four bits for each.
    pub four_bits: bool,
}

/// An operator waiting for the QuantizeLinear that makes it an integer node.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// Weights OIHW, `groups`; the view has three or four axes.
    Conv {
        input: View,
        quant: Quant,
        window: Window,
        groups: usize,
        /// Each input is spread over the outputs under the window.
        transposed: bool,
        weights: LinearWeights,
    },
    /// Weights \[out, in\] over the last axis.
    Dense {
        input: View,
        quant: Quant,
        weights: LinearWeights,
    },
    /// A product of two stacks of matrices.
    Product {
        inputs: [Operand; 2],
    },
    AveragePool {
        input: View,
        window: Window,
        count_include_pad: bool,
    },
    /// A mean, or a sum if it is not divided.
    Mean {
        input: View,
        axes: Vec<usize>,
        keep: bool,
        divide: bool,
    },
    /// Bilinear interpolation over the axes behind batch and channels.
    Resize {
        input: View,
        quant: Quant,
        rows: Interpolation,
        columns: Interpolation,
    },
    /// The value, or below zero the value times its slope.
    PRelu {
        input: View,
        quant: Quant,
        slope: Rc<Dequantized>,
    },
    /// Normalization over the last `axes` axes.
    LayerNorm {
        input: View,
        quant: Quant,
        norm: Rc<Normalization>,
        axes: usize,
    },
    /// One direction of an LSTM or a GRU.
    Recurrent {
        input: View,
        quant: Quant,
        layer: Rc<Layer>,
    },
    /// The lesser or the greater of two, each rounded before.
    Extremum {
        parts: [Value; 2],
        greatest: bool,
    },
    Binary {
        op: Binary,
        inputs: [Operand; 2],
    },
    Softmax {
        input: View,
        axis: usize,
    },
    Concat {
        parts: Vec<Value>,
        axis: usize,
    },
    /// A function of one integer whose border is not one of its values.
    Table(Table),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Sub,
    Mul,
    Div,
}

/// An operand of a sum or product.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    Activation(View, Quant),
    Constant(Rc<Dequantized>),
}

/// A float array that is not a function of one int8 each.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    /// The source node, for messages.
    pub place: String,
    pub kind: Kind,
    /// Shape of the operator's own result.
    pub result: Vec<usize>,
    /// Applied to the result, in order.
    pub moves: Vec<Move>,
    /// Shape after them.
    pub shape: Vec<usize>,
    /// Fused activation: results are limited to `[low, high]`.
    pub low: f32,
    pub high: f32,
    /// How deep operators waiting for one another are nested.
    pub depth: usize,
}

/// What a name stands for.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Constant(Rc<Constant>),
    Dequantized(Rc<Dequantized>),
    /// An activation of 8 bits, or of 16 with sign.
    Integer {
        view: View,
        unsigned: bool,
    },
    /// A float input before its QuantizeLinear.
    Real(View),
    Table(Table),
    Pending(Rc<Pending>),
}

impl Value {
    pub(super) fn shape(&self) -> &[usize] {
        match self {
            Self::Constant(c) => &c.shape,
            Self::Dequantized(d) => &d.shape,
            Self::Integer { view, .. } | Self::Real(view) => &view.shape,
            Self::Table(table) => &table.view.shape,
            Self::Pending(pending) => &pending.shape,
        }
    }
    /// Returns about how many numbers the value holds that it may not share with another.
    pub(super) fn held(&self) -> usize {
        /// A view's shapes and the like.
        const VIEW: usize = 32;
        /// A table may be shared. Those of int16 are counted apart.
        const TABLE: usize = 128;
        match self {
            Self::Constant(c) => c.data.len(),
            Self::Dequantized(d) => d.centered.len().saturating_add(d.scales.len()),
            Self::Integer { .. } | Self::Real(_) => VIEW,
            Self::Table(_) => TABLE,
            Self::Pending(pending) => {
                let own = match &pending.kind {
                    Kind::Conv { weights, .. } | Kind::Dense { weights, .. } => {
                        let bias = match &weights.bias {
                            None => 0,
                            Some(Bias::Real(reals)) => reals.len(),
                            Some(Bias::Float(reals)) => reals.len(),
                            Some(Bias::Quantized { integers, scales }) => integers.len().saturating_add(scales.len()),
                        };
                        weights.scales.len().saturating_add(bias)
                    }
                    Kind::Concat { parts, .. } => parts.len().saturating_mul(VIEW),
                    _ => 0,
                };
                own.saturating_add(VIEW * (2 + pending.moves.len()))
            }
        }
    }
}
