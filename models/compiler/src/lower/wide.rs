//! Which operator of int16 activations a node becomes, and what convolutions and matrix products of them share.

use tanbo_format::emit::ConstData;
use tanbo_quant::{Multiplier, Rounding};

use super::*;
use crate::graph::{Bias, NodeOp, Weights};

/// Largest magnitude of an int16 value.
const GREATEST: i64 = 1 << 15;

/// Returns the step of a node that reads or writes int16, or `None` for one that any type takes.
pub(super) fn lower(context: &Context<'_>) -> Option<Result<Lowered, CompileError>> {
    let refused = |reason: String, remedy| Some(Err(context.error(CompileErrorKind::Unsupported, reason, remedy)));
    match &context.node.op {
        NodeOp::ResizeBilinear { .. }
        | NodeOp::Sum { .. }
        | NodeOp::SquaredDifference { .. }
        | NodeOp::LayerNorm { .. }
        | NodeOp::L2Norm { .. }
        | NodeOp::Div { .. }
        | NodeOp::Lut { .. } => {
            return refused("it has no form in int16".into(), "quantize its input and output to int8");
        }
        NodeOp::Conv2d { .. }
        | NodeOp::DepthwiseConv2d { .. }
        | NodeOp::TransposeConv2d { .. }
        | NodeOp::BatchMatmul { .. }
        | NodeOp::FullyConnected { .. }
        | NodeOp::AveragePool2d { .. }
        | NodeOp::Mean { .. }
        | NodeOp::Add { .. }
        | NodeOp::Sub { .. }
        | NodeOp::Mul { .. }
        | NodeOp::Softmax { .. } => {
            let types = context.node.inputs.iter().chain([&context.node.output]);
            let of = |&tensor: &usize| context.graph.tensors.get(tensor).map(|t| t.ty);
            if types.clone().any(|tensor| of(tensor) != Some(ElementType::I16)) {
                return refused(
                    "it reads and writes both int8 and int16".into(),
                    "quantize its inputs and its output to one type",
                );
            }
        }
        _ => {}
    }
    Some(match &context.node.op {
        NodeOp::Conv2d { window, groups, weights, clamp } => {
            conv2d_i16::lower(context, window, *groups, weights, *clamp)
        }
        NodeOp::DepthwiseConv2d { window, weights, clamp } => {
            depthwise_conv2d_i16::lower(context, window, weights, *clamp)
        }
        NodeOp::TransposeConv2d { window, groups, weights, clamp } => {
            transpose_conv2d_i16::lower(context, window, *groups, weights, *clamp)
        }
        NodeOp::BatchMatmul { transposed, clamp } => batch_matmul_i16::lower(context, *transposed, *clamp),
        NodeOp::FullyConnected { weights, clamp } => fully_connected_i16::lower(context, weights, *clamp),
        NodeOp::AveragePool2d { window, clamp, count_include_pad } => {
            average_pool2d_i16::lower(context, window, *clamp, *count_include_pad)
        }
        NodeOp::MaxPool2d { window, clamp } => max_pool2d_i16::lower(context, window, *clamp),
        NodeOp::Mean { axes, clamp } => mean_i16::lower(context, axes, *clamp),
        NodeOp::Add { clamp } => add_i16::lower(context, *clamp),
        NodeOp::Sub { clamp } => sub_i16::lower(context, *clamp),
        NodeOp::Mul { clamp } => mul_i16::lower(context, *clamp),
        NodeOp::LutI16 { interpolated_bits, table } => lut_i16::lower(*interpolated_bits, table),
        NodeOp::SigmoidI16 { tanh } => sigmoid_i16::lower(context, *tanh),
        NodeOp::Softmax { beta } => softmax_i16::lower(context, *beta),
        _ => return None,
    })
}

impl Context<'_> {
    /// Returns weights, bias, mantissas and shifts, and the bits of the accumulator. `columns`: a channel's weights lie as
    /// many elements apart as there are channels, not side by side.
    ///
    /// In TensorFlow Lite rounding a sum that could leave its accumulator, or a product with the multiplier that could leave
    /// 32 bits, is refused: the kernels of TensorFlow Lite Micro would give its low bits.
    pub(super) fn wide_weights(&self, weights: &Weights, columns: bool) -> Result<(Vec<ConstData>, i32), CompileError> {
        let multipliers = self.weight_multipliers(weights)?;
        let bias = weights.bias.widened();
        let mut bits = 64;
        if self.node.rounding == Rounding::Tflite {
            let mut sums = vec![0i64; bias.len()];
            let per_channel = (weights.data.len() / bias.len().max(1)).max(1);
            for (i, &w) in weights.data.iter().enumerate() {
                let channel = if columns { i % bias.len().max(1) } else { i / per_channel };
                if let Some(sum) = sums.get_mut(channel) {
                    *sum += i64::from(w).abs();
                }
            }
            bits = if matches!(weights.bias, Bias::I32(_)) { 32 } else { 64 };
            for (channel, (&sum, &bias)) in sums.iter().zip(&bias).enumerate() {
                let multiplier = multipliers.get(channel).or(multipliers.first()).copied();
                let multiplier = multiplier.unwrap_or(Multiplier { mantissa: 0, shift: 0 });
                let worst = (sum * GREATEST).saturating_add(bias.saturating_abs());
                if !fits(worst, multiplier, bits) {
                    return Err(self.error(
                        CompileErrorKind::Unsupported,
                        format!(
                            "the sum of channel {channel} can reach {worst}, scaled by {:e}: more than the kernel's {bits} bits",
                            multiplier.to_real()
                        ),
                        "convert again with representative data and a bias of int64, or split the node",
                    ));
                }
            }
        }
        let [mantissas, shifts] = multiplier_constants(&multipliers);
        Ok((vec![ConstData::I8(weights.data.clone()), ConstData::I64(bias), mantissas, shifts], bits))
    }
}

/// Whether no accumulator up to `worst` loses bits in the multiplication of TensorFlow Lite with so many bits.
fn fits(worst: i64, multiplier: Multiplier, bits: i32) -> bool {
    let word = i64::from(i32::MAX);
    if bits == 32 {
        return worst <= word >> multiplier.shift.max(0);
    }
    // The mantissa of 16 bits is at most 2^-15 above the whole one.
    let scaled = worst as f64 * multiplier.to_real() * (1.0 + f64::exp2(-15.0));
    worst <= Multiplier::MAX_WIDE && multiplier.shift <= Multiplier::MAX_WIDE_SHIFT && scaled < word as f64
}
