//! Lowering: real scales become integer multipliers, tables and attribute words. One file per operator.

mod add;
mod add_i16;
mod average_pool2d;
mod average_pool2d_i16;
mod batch_matmul;
mod batch_matmul_i16;
mod concat;
mod conv2d;
mod conv2d_i16;
mod conv2d_i4;
mod depthwise_conv2d;
mod depthwise_conv2d_i16;
mod depthwise_conv2d_i4;
mod div;
mod fully_connected;
mod fully_connected_i16;
mod fully_connected_i4;
mod gather;
mod gru;
mod gru_i16;
mod l2_norm;
mod layer_norm;
mod lstm;
mod lstm_i16;
mod lut;
mod lut_i16;
mod max_pool2d;
mod max_pool2d_i16;
mod maximum;
mod mean;
mod mean_i16;
mod minimum;
mod mul;
mod mul_i16;
mod pad;
mod reduce_max;
mod reduce_min;
mod requantize;
mod resize_bilinear;
mod sigmoid_i16;
mod slice;
mod softmax;
mod softmax_i16;
mod squared_difference;
mod sub;
mod sub_i16;
mod svdf;
mod transpose;
mod transpose_conv2d;
mod transpose_conv2d_i16;
mod wide;

use tanbo_format::emit::ConstData;
use tanbo_format::{ElementType, MAX_RANK, Op};
use tanbo_quant::Multiplier;

use crate::error::{CompileError, CompileErrorKind};
use crate::graph::{Bias, Graph, Node, NodeOp, Tensor, Weights, Window};

/// A node as a step's operator, attribute words and constants.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// Operator.
    pub op: Op,
    /// Attribute words in the order of [`Op::attrs`].
    pub attrs: Vec<i32>,
    /// Constants in the order of [`Op::consts`].
    pub consts: Vec<ConstData>,
}

/// Returns the bytes of scratch that a node's kernel needs.
pub fn scratch_bytes(graph: &Graph, node: &Node) -> usize {
    match &node.op {
        NodeOp::Gru { linear_before_reset: false, .. } => gru::scratch_bytes(&Context { graph, node }),
        _ => 0,
    }
}

/// A node with its tensors.
pub(crate) struct Context<'g> {
    pub graph: &'g Graph,
    pub node: &'g Node,
}

/// Returns the step of a node, or `None` for a node that only renames its input's elements.
///
/// # Errors
/// A factor between scales that no multiplier can express, or sizes beyond the artifact's words.
pub fn lower(graph: &Graph, node: &Node) -> Result<Option<Lowered>, CompileError> {
    let context = Context { graph, node };
    // A type other than int8 has operators of its own.
    let types = [context.input(0)?.ty, context.output()?.ty];
    if types.contains(&ElementType::I16)
        && let Some(lowered) = wide::lower(&context)
    {
        return lowered.map(Some);
    }
    match &node.op {
        NodeOp::Conv2d { window, groups, weights, clamp } if weights.four_bits => {
            conv2d_i4::lower(&context, window, *groups, weights, *clamp)
        }
        NodeOp::DepthwiseConv2d { window, weights, clamp } if weights.four_bits => {
            depthwise_conv2d_i4::lower(&context, window, weights, *clamp)
        }
        NodeOp::FullyConnected { weights, clamp } if weights.four_bits => {
            fully_connected_i4::lower(&context, weights, *clamp)
        }
        NodeOp::Conv2d { window, groups, weights, clamp } => conv2d::lower(&context, window, *groups, weights, *clamp),
        NodeOp::DepthwiseConv2d { window, weights, clamp } => {
            depthwise_conv2d::lower(&context, window, weights, *clamp)
        }
        NodeOp::TransposeConv2d { window, groups, weights, clamp } => {
            transpose_conv2d::lower(&context, window, *groups, weights, *clamp)
        }
        NodeOp::BatchMatmul { transposed, clamp } => batch_matmul::lower(&context, *transposed, *clamp),
        NodeOp::FullyConnected { weights, clamp } => fully_connected::lower(&context, weights, *clamp),
        NodeOp::AveragePool2d { window, clamp, count_include_pad } => {
            average_pool2d::lower(&context, window, *clamp, *count_include_pad)
        }
        NodeOp::MaxPool2d { window, clamp } => max_pool2d::lower(&context, window, *clamp),
        NodeOp::Mean { axes, clamp } => mean::lower(&context, axes, *clamp),
        NodeOp::Add { clamp } => add::lower(&context, *clamp),
        NodeOp::Sub { clamp } => sub::lower(&context, *clamp),
        NodeOp::Mul { clamp } => mul::lower(&context, *clamp),
        NodeOp::Lut { table } => lut::lower(table),
        NodeOp::LutI16 { .. } | NodeOp::SigmoidI16 { .. } => Err(context.error(
            CompileErrorKind::Inconsistent,
            "a function of int16 values is given another type",
            "report this model",
        )),
        NodeOp::Softmax { beta } => softmax::lower(&context, *beta),
        NodeOp::Pad { before, value } => pad::lower(&context, before, *value),
        NodeOp::Concat { axis } => concat::lower(&context, *axis),
        NodeOp::Slice { begin, stride } => slice::lower(&context, begin, stride),
        NodeOp::Transpose { perm } => transpose::lower(&context, perm),
        NodeOp::Requantize { clamp } => requantize::lower(&context, 1.0, *clamp),
        NodeOp::Scale { factor, clamp } => requantize::lower(&context, *factor, *clamp),
        NodeOp::Copy => concat::lower(&context, 0),
        NodeOp::Gather { axis, indices } => gather::lower(&context, *axis, indices),
        NodeOp::ResizeBilinear { rows, columns, clamp } => resize_bilinear::lower(&context, rows, columns, *clamp),
        NodeOp::Minimum => minimum::lower(),
        NodeOp::Maximum => maximum::lower(),
        NodeOp::ReduceMax { axes } => reduce_max::lower(axes),
        NodeOp::ReduceMin { axes } => reduce_min::lower(axes),
        NodeOp::Sum { axes, clamp } => mean::lower_sum(&context, axes, *clamp),
        NodeOp::LayerNorm { norm, clamp } => layer_norm::lower(&context, norm, *clamp),
        NodeOp::Div { clamp } => div::lower(&context, *clamp),
        NodeOp::L2Norm { clamp } => l2_norm::lower(&context, *clamp),
        NodeOp::SquaredDifference { clamp } => squared_difference::lower(&context, *clamp),
        NodeOp::Svdf(constants) => svdf::lower(&context, constants),
        NodeOp::Lstm { weights, cell_clip } if context.output()?.ty == ElementType::I16 => {
            lstm_i16::lower(&context, weights, *cell_clip)
        }
        NodeOp::Lstm { weights, cell_clip } => lstm::lower(&context, weights, *cell_clip),
        NodeOp::Gru { weights, linear_before_reset } if context.output()?.ty == ElementType::I16 => {
            gru_i16::lower(&context, weights, *linear_before_reset)
        }
        NodeOp::Gru { weights, linear_before_reset } => gru::lower(&context, weights, *linear_before_reset),
        NodeOp::Reshape => return Ok(None),
    }
    .map(Some)
}

impl Context<'_> {
    fn error(&self, kind: CompileErrorKind, reason: impl Into<String>, remedy: &str) -> CompileError {
        CompileError::new(kind, format!("node '{}'", self.node.name), reason, remedy)
    }

    /// Returns input `index`.
    pub fn input(&self, index: usize) -> Result<&Tensor, CompileError> {
        let tensor = self.node.inputs.get(index).and_then(|&t| self.graph.tensors.get(t));
        tensor.ok_or_else(|| {
            self.error(CompileErrorKind::Inconsistent, format!("input {index} is missing"), "export the model again")
        })
    }

    /// Returns the output.
    pub fn output(&self) -> Result<&Tensor, CompileError> {
        self.graph.tensors.get(self.node.output).ok_or_else(|| {
            self.error(CompileErrorKind::Inconsistent, "the output is missing", "export the model again")
        })
    }

    /// Returns state `index`.
    pub fn state(&self, index: usize) -> Result<&Tensor, CompileError> {
        let tensor = self.node.states.get(index).and_then(|&t| self.graph.tensors.get(t));
        tensor.ok_or_else(|| {
            self.error(CompileErrorKind::Inconsistent, format!("state {index} is missing"), "export the model again")
        })
    }

    /// Returns the multiplier of a real factor.
    pub fn multiplier(&self, factor: f64) -> Result<Multiplier, CompileError> {
        Multiplier::from_real(factor).ok_or_else(|| {
            self.error(
                CompileErrorKind::Unsupported,
                format!("the factor between its scales is {factor:e}, not in 0 ..= 2^30"),
                "quantize the model again with sensible ranges for this node's tensors",
            )
        })
    }

    /// Returns a size as an attribute word.
    pub fn word(&self, value: usize) -> Result<i32, CompileError> {
        i32::try_from(value).map_err(|_| {
            self.error(CompileErrorKind::TooLarge, format!("size {value} exceeds 2^31 - 1"), "split the tensor")
        })
    }

    /// Returns sizes per axis as attribute words, zeros beyond the rank.
    pub fn words_per_axis(&self, values: &[usize]) -> Result<[i32; MAX_RANK], CompileError> {
        if values.len() > MAX_RANK {
            return Err(self.error(
                CompileErrorKind::Unsupported,
                format!("{} axes, at most {MAX_RANK} are possible", values.len()),
                "reshape the tensor to fewer axes before this node",
            ));
        }
        let mut words = [0; MAX_RANK];
        for (word, &value) in words.iter_mut().zip(values) {
            *word = self.word(value)?;
        }
        Ok(words)
    }

    /// Returns kernel, stride, dilation (if asked for) and padding as attribute words.
    pub fn window(&self, window: &Window, with_dilation: bool) -> Result<Vec<i32>, CompileError> {
        let dilation: &[usize] = if with_dilation { &window.dilation } else { &[] };
        [&window.kernel[..], &window.stride, dilation, &window.pad]
            .concat()
            .into_iter()
            .map(|value| self.word(value))
            .collect()
    }

    /// Returns the step with its weights packed in four bits each, as `op`.
    pub fn in_four_bits(&self, op: Op, mut lowered: Lowered) -> Result<Lowered, CompileError> {
        if let Some(ConstData::I8(weights)) = lowered.consts.first_mut() {
            if weights.iter().any(|w| !(-8..=7).contains(w)) {
                let reason = "a weight does not fit four bits";
                return Err(self.error(CompileErrorKind::Inconsistent, reason, "export the model again"));
            }
            let halves = |pair: &[i8]| pair.iter().rev().fold(0, |byte, &w| byte << 4 | w & 15);
            *weights = weights.chunks(2).map(halves).collect();
        }
        Ok(Lowered { op, ..lowered })
    }

    /// Returns weights, bias, mantissas and shifts: factor input scale · weight scale / output scale, in f64.
    pub fn weights(&self, weights: &Weights) -> Result<Vec<ConstData>, CompileError> {
        let Bias::I32(bias) = &weights.bias else {
            return Err(self.error(
                CompileErrorKind::Unsupported,
                "its bias has 64 bits, its activations have 8",
                "quantize biases of int8 layers to int32",
            ));
        };
        let [mantissas, shifts] = multiplier_constants(&self.weight_multipliers(weights)?);
        Ok(vec![ConstData::I8(weights.data.clone()), ConstData::I32(bias.clone()), mantissas, shifts])
    }

    /// Returns the multiplier of each weight scale.
    pub fn weight_multipliers(&self, weights: &Weights) -> Result<Vec<Multiplier>, CompileError> {
        let (x, y) = (self.input(0)?, self.output()?);
        let factor = |&scale: &f32| f64::from(x.scale) * f64::from(scale) / f64::from(y.scale);
        weights.scales.iter().map(|scale| self.multiplier(factor(scale))).collect()
    }
}

/// Returns a set of axes as an attribute word: bit `i` for axis `i`.
fn axis_bits(axes: &[usize]) -> i32 {
    axes.iter().fold(0, |bits, &axis| bits | 1 << axis)
}

/// Returns multipliers as the two constants that carry them. A shift fits an i8: it is in -31 ..= 30.
fn multiplier_constants(multipliers: &[Multiplier]) -> [ConstData; 2] {
    [
        ConstData::I32(multipliers.iter().map(|m| m.mantissa).collect()),
        ConstData::I8(multipliers.iter().map(|m| m.shift as i8).collect()),
    ]
}
