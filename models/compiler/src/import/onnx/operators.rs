//! Which operators are read, what each can become in an artifact, and the remedy for those that are refused.

use tanbo_format::Op as Step;

use super::proto::Op;
use super::value::Value;
use super::{Importer, Res, qoperator};
use crate::error::CompileError;

/// What a node's outputs stand for.
pub(super) enum Outputs {
    One(Value),
    Many(Vec<Value>),
}

/// How a node is read.
pub(super) enum Import {
    One(fn(&mut Importer, &Op<'_>) -> Res<Value>),
    Many(fn(&mut Importer, &Op<'_>) -> Res<Vec<Value>>),
}
use Import::{Many, One};

/// An operator's name, what it can become (nothing: a constant, or a view of its input), and how it is read.
pub(super) type Operator = (&'static str, &'static [Step], Import);

/// What a function of one value becomes: a table, or a requantization where that gives the same 256 values.
const FUNCTION: &[Step] = &[Step::Lut, Step::LutI16, Step::Requantize];
/// The same of bytes alone.
const BYTE_FUNCTION: &[Step] = &[Step::Lut, Step::Requantize];

/// Operators between DequantizeLinear and QuantizeLinear, and these two themselves. Those of another domain carry its
/// name.
#[rustfmt::skip]
pub(super) const OPERATORS: &[Operator] = &[
    ("QuantizeLinear", &[Step::Requantize], One(Importer::quantize_linear)),
    ("DequantizeLinear", &[], One(Importer::dequantize_linear)),
    ("com.microsoft.QuantizeLinear", &[Step::Requantize], One(Importer::quantize_linear)),
    ("com.microsoft.DequantizeLinear", &[], One(Importer::dequantize_linear)),
    (
        "Conv",
        &[Step::Conv2d, Step::Conv2dI16, Step::DepthwiseConv2d, Step::DepthwiseConv2dI16, Step::Conv2dI4, Step::DepthwiseConv2dI4],
        One(Importer::conv),
    ),
    ("ConvTranspose", &[Step::TransposeConv2d, Step::TransposeConv2dI16], One(Importer::conv_transpose)),
    ("Gemm", &[Step::FullyConnected, Step::FullyConnectedI16, Step::FullyConnectedI4], One(Importer::gemm)),
    (
        "MatMul",
        &[Step::FullyConnected, Step::FullyConnectedI16, Step::FullyConnectedI4, Step::BatchMatmul, Step::BatchMatmulI16],
        One(Importer::mat_mul),
    ),
    ("BatchNormalization", &[], One(Importer::batch_normalization)),
    ("MaxPool", &[Step::MaxPool2d, Step::MaxPool2dI16], One(Importer::max_pool)),
    ("GlobalMaxPool", &[Step::MaxPool2d, Step::MaxPool2dI16], One(Importer::global_max_pool)),
    ("AveragePool", &[Step::AveragePool2d, Step::AveragePool2dI16], One(Importer::average_pool)),
    ("GlobalAveragePool", &[Step::Mean, Step::MeanI16], One(Importer::global_average_pool)),
    ("ReduceMean", &[Step::Mean, Step::MeanI16], One(Importer::reduce_mean)),
    ("ReduceMax", &[Step::ReduceMax], One(Importer::reduce_extremum)),
    ("ReduceMin", &[Step::ReduceMin], One(Importer::reduce_extremum)),
    ("ReduceSum", &[Step::Mean, Step::MeanI16], One(Importer::reduce_sum)),
    ("Resize", &[Step::ResizeBilinear, Step::Gather, Step::Slice], One(Importer::resize)),
    ("Tile", &[Step::Gather, Step::Slice], One(Importer::tile)),
    ("DepthToSpace", &[Step::Transpose], One(Importer::depth_to_space)),
    ("SpaceToDepth", &[Step::Transpose], One(Importer::space_to_depth)),
    ("LSTM", &[Step::Lstm, Step::LstmI16, Step::Slice, Step::Concat], Many(Importer::lstm)),
    ("GRU", &[Step::Gru, Step::GruI16, Step::Slice, Step::Concat], Many(Importer::gru)),
    ("LayerNormalization", &[Step::LayerNorm], One(Importer::layer_normalization)),
    ("RMSNormalization", &[Step::LayerNorm], One(Importer::layer_normalization)),
    ("Softmax", &[Step::Softmax, Step::SoftmaxI16], One(Importer::softmax)),
    ("Add", &[Step::Add, Step::AddI16, Step::Lut, Step::LutI16, Step::Requantize], One(Importer::arithmetic)),
    ("Sub", &[Step::Sub, Step::SubI16, Step::Lut, Step::LutI16, Step::Requantize], One(Importer::arithmetic)),
    ("Mul", &[Step::Mul, Step::MulI16, Step::Lut, Step::LutI16, Step::Requantize], One(Importer::arithmetic)),
    ("Div", &[Step::Div, Step::Lut, Step::LutI16, Step::Requantize], One(Importer::arithmetic)),
    ("Pow", FUNCTION, One(Importer::arithmetic)),
    ("Min", &[Step::Minimum, Step::Lut, Step::LutI16, Step::Requantize], One(Importer::arithmetic)),
    ("Max", &[Step::Maximum, Step::Lut, Step::LutI16, Step::Requantize], One(Importer::arithmetic)),
    ("Reshape", &[], One(Importer::reshape)),
    ("Flatten", &[], One(Importer::flatten)),
    ("Squeeze", &[], One(Importer::squeeze)),
    ("Unsqueeze", &[], One(Importer::unsqueeze)),
    ("Transpose", &[Step::Transpose], One(Importer::transpose)),
    ("Slice", &[Step::Slice], One(Importer::slice)),
    ("Split", &[Step::Slice], Many(Importer::split)),
    ("Gather", &[Step::Gather, Step::Slice], One(Importer::gather)),
    ("Pad", &[Step::Pad, Step::Gather, Step::Slice], One(Importer::pad)),
    ("Expand", &[Step::Slice], One(Importer::expand)),
    ("Concat", &[Step::Concat, Step::Requantize], One(Importer::concat)),
    ("Shape", &[], One(Importer::shape_of)),
    ("Cast", &[], One(Importer::cast)),
    ("Identity", &[], One(identity)),
    ("Dropout", &[], One(dropout)),
    ("Constant", &[], One(Importer::constant_node)),
    ("Relu", FUNCTION, One(unary)),
    ("Clip", FUNCTION, One(unary)),
    ("LeakyRelu", FUNCTION, One(unary)),
    ("PRelu", &[Step::Lut, Step::Requantize, Step::Mul, Step::Add], One(unary)),
    ("ThresholdedRelu", FUNCTION, One(unary)),
    ("HardSigmoid", FUNCTION, One(unary)),
    ("HardSwish", FUNCTION, One(unary)),
    ("Sigmoid", FUNCTION, One(unary)),
    ("Tanh", FUNCTION, One(unary)),
    ("Elu", FUNCTION, One(unary)),
    ("Celu", FUNCTION, One(unary)),
    ("Selu", FUNCTION, One(unary)),
    ("Softplus", FUNCTION, One(unary)),
    ("Softsign", FUNCTION, One(unary)),
    ("Mish", FUNCTION, One(unary)),
    ("Gelu", FUNCTION, One(unary)),
    ("Erf", FUNCTION, One(unary)),
    ("Exp", FUNCTION, One(unary)),
    ("Log", FUNCTION, One(unary)),
    ("Sin", FUNCTION, One(unary)),
    ("Cos", FUNCTION, One(unary)),
    ("Tan", FUNCTION, One(unary)),
    ("Asin", FUNCTION, One(unary)),
    ("Acos", FUNCTION, One(unary)),
    ("Atan", FUNCTION, One(unary)),
    ("Sinh", FUNCTION, One(unary)),
    ("Cosh", FUNCTION, One(unary)),
    ("Asinh", FUNCTION, One(unary)),
    ("Acosh", FUNCTION, One(unary)),
    ("Atanh", FUNCTION, One(unary)),
    ("Shrink", FUNCTION, One(unary)),
    ("Sqrt", FUNCTION, One(unary)),
    ("Reciprocal", FUNCTION, One(unary)),
    ("Abs", FUNCTION, One(unary)),
    ("Neg", FUNCTION, One(unary)),
    ("Floor", FUNCTION, One(unary)),
    ("Ceil", FUNCTION, One(unary)),
    ("Round", FUNCTION, One(unary)),
    ("Sign", FUNCTION, One(unary)),
];

/// Operators that carry scales and zero points themselves (ONNX Runtime's operator format). Those of another domain
/// carry its name.
#[rustfmt::skip]
pub(super) const OPERATOR_FORMAT: &[Operator] = &[
    ("QLinearConv", &[Step::Conv2d, Step::DepthwiseConv2d], One(qoperator::conv)),
    ("QLinearMatMul", &[Step::FullyConnected, Step::BatchMatmul], One(qoperator::mat_mul)),
    ("com.microsoft.QGemm", &[Step::FullyConnected], One(qoperator::gemm)),
    ("ConvInteger", &[Step::Conv2d, Step::DepthwiseConv2d], One(qoperator::conv_integer)),
    ("MatMulInteger", &[Step::FullyConnected], One(qoperator::mat_mul_integer)),
    ("com.microsoft.QLinearAdd", &[Step::Add, Step::Lut, Step::Requantize], One(qoperator::binary)),
    ("com.microsoft.QLinearMul", &[Step::Mul, Step::Lut, Step::Requantize], One(qoperator::binary)),
    ("com.microsoft.QLinearSigmoid", BYTE_FUNCTION, One(qoperator::unary)),
    ("com.microsoft.QLinearLeakyRelu", BYTE_FUNCTION, One(qoperator::unary)),
    ("com.microsoft.QLinearAveragePool", &[Step::AveragePool2d], One(qoperator::unary)),
    ("com.microsoft.QLinearGlobalAveragePool", &[Step::Mean], One(qoperator::unary)),
    ("com.microsoft.QLinearSoftmax", &[Step::Softmax], One(qoperator::unary)),
    ("com.microsoft.QLinearConcat", &[Step::Concat, Step::Requantize], One(qoperator::concat)),
];

/// Returns whether a node is of the operator format.
pub(super) fn is_operator_format(node: &tract_onnx::pb::NodeProto) -> bool {
    OPERATOR_FORMAT.iter().any(|row| is_named(row.0, &node.op_type, &node.domain))
}

/// Operators that are refused whatever their operands, with what to do instead.
pub(super) const REFUSED: &[(&[&str], &str)] = &[
    (
        &["DynamicQuantizeLinear"],
        "it takes its scale from each input: quantize with calibration data (quantize_static), not dynamically",
    ),
    (&["Upsample"], "convert it to Resize (onnx.version_converter.convert_version, operator set 13 or later)"),
    (&["RNN", "Loop", "If", "Scan"], "use LSTM or GRU, or a convolutional or feed-forward model"),
    (&["LogSoftmax", "ArgMax", "TopK"], "cut the model before it and do this on the host (onnx.utils.extract_model)"),
];

/// What to do about any other operator.
pub(super) const REFUSED_OTHERWISE: &str = "replace it, or cut the model before it (onnx.utils.extract_model)";
/// What to do about an operator of a domain that is not read.
pub(super) const FOREIGN_DOMAIN: &str = "export with standard ONNX operators, quantized in the QDQ format or the operator \
     format; if ONNX Runtime fused them when it saved the model, take the model from before";

fn is_own(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

/// Returns whether a row's name is that of operator `kind` of `domain`.
fn is_named(known: &str, kind: &str, domain: &str) -> bool {
    match known.strip_suffix(kind) {
        Some("") => is_own(domain),
        Some(prefix) => !is_own(domain) && prefix.strip_suffix('.') == Some(domain),
        None => false,
    }
}

/// Returns how `op` is read; else its refusal, whatever its operands.
fn find(op: &Op) -> Res<&'static Import> {
    let (kind, domain) = (op.proto.op_type.as_str(), op.proto.domain.as_str());
    match OPERATORS.iter().chain(OPERATOR_FORMAT).find(|row| is_named(row.0, kind, domain)) {
        Some((_, _, import)) => Ok(import),
        None if is_own(domain) => Err(refusal(op)),
        None => Err(op.unsupported(format!("operator {kind} of domain '{domain}' is not known"), FOREIGN_DOMAIN)),
    }
}

/// Returns the refusal of an operator that is not read, whatever its operands.
pub(super) fn unsupported(op: &Op) -> Option<CompileError> {
    find(op).err()
}

/// Returns what the outputs of `op` stand for.
pub(super) fn import(importer: &mut Importer, op: &Op) -> Res<Outputs> {
    match find(op)? {
        One(import) => import(importer, op).map(Outputs::One),
        Many(import) => import(importer, op).map(Outputs::Many),
    }
}

fn refusal(op: &Op) -> CompileError {
    let kind = op.proto.op_type.as_str();
    let remedy = REFUSED.iter().find(|(names, _)| names.contains(&kind)).map_or(REFUSED_OTHERWISE, |row| row.1);
    op.unsupported(format!("operator {kind} cannot run in 8-bit integers here"), remedy)
}

fn unary(importer: &mut Importer, op: &Op) -> Res<Value> {
    importer.unary(op)?.ok_or_else(|| refusal(op))
}

fn identity(importer: &mut Importer, op: &Op) -> Res<Value> {
    importer.input(op, 0)
}

fn dropout(importer: &mut Importer, op: &Op) -> Res<Value> {
    if op.input_name(2).is_some() && importer.constant(op, 2)?.integers() != Some(vec![0]) {
        return Err(op.unsupported("it is in training mode", "export the model for inference"));
    }
    importer.input(op, 0)
}
