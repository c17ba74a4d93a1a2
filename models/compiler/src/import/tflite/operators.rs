//! Which operators are read, what each can become in an artifact, and the remedy for those that are refused.

use tanbo_format::Op as Step;

use super::op::Op;
use super::source::SourceOperator;
use super::{dense, elementwise, functions, movement, recurrent, selection, variables, window};
use crate::error::{CompileError, CompileErrorKind};

/// Adds an operator's nodes to the graph.
type Import = fn(&mut Op<'_, '_>) -> Result<(), CompileError>;

/// Operators that are read: name in the schema, what it can become (nothing: a view, or no node at all), and how.
#[rustfmt::skip]
pub const OPERATORS: &[(&str, &[Step], Import)] = &[
    ("CONV_2D", &[Step::Conv2d, Step::Conv2dI4, Step::Conv2dI16], window::conv_2d),
    ("DEPTHWISE_CONV_2D", &[Step::DepthwiseConv2d, Step::DepthwiseConv2dI4, Step::DepthwiseConv2dI16], window::depthwise_conv_2d),
    ("TRANSPOSE_CONV", &[Step::TransposeConv2d, Step::TransposeConv2dI16], window::transpose_conv),
    ("BATCH_MATMUL", &[Step::BatchMatmul, Step::BatchMatmulI16], dense::batch_matmul),
    ("AVERAGE_POOL_2D", &[Step::AveragePool2d, Step::AveragePool2dI16], window::pool_2d),
    ("MAX_POOL_2D", &[Step::MaxPool2d, Step::MaxPool2dI16], window::pool_2d),
    ("FULLY_CONNECTED", &[Step::FullyConnected, Step::FullyConnectedI4, Step::FullyConnectedI16], dense::fully_connected),
    ("MEAN", &[Step::Mean, Step::MeanI16], dense::mean),
    ("SOFTMAX", &[Step::Softmax, Step::SoftmaxI16], dense::softmax),
    ("ADD", &[Step::Add, Step::AddI16], elementwise::binary),
    ("SUB", &[Step::Sub, Step::SubI16], elementwise::binary),
    ("MUL", &[Step::Mul, Step::MulI16], elementwise::binary),
    ("RELU", &[Step::Requantize], elementwise::relu),
    ("RELU6", &[Step::Requantize], elementwise::relu6),
    ("LEAKY_RELU", &[Step::Lut, Step::Requantize, Step::AddI16], elementwise::leaky_relu),
    ("ELU", &[Step::Lut], elementwise::table),
    ("HARD_SWISH", &[Step::Lut], elementwise::table),
    ("LOGISTIC", &[Step::Lut, Step::SigmoidI16], elementwise::sigmoid),
    ("TANH", &[Step::Lut, Step::SigmoidI16], elementwise::sigmoid),
    ("PRELU", &[Step::Lut, Step::Requantize, Step::Mul, Step::Add], elementwise::prelu),
    ("QUANTIZE", &[Step::Requantize], elementwise::quantize),
    ("DEQUANTIZE", &[], elementwise::dequantize),
    ("PAD", &[Step::Pad], movement::pad),
    ("PADV2", &[Step::Pad], movement::pad),
    ("CONCATENATION", &[Step::Concat], movement::concatenation),
    ("PACK", &[Step::Concat], movement::pack),
    ("UNPACK", &[Step::Slice], movement::unpack),
    ("SPLIT", &[Step::Slice], movement::split),
    ("SPLIT_V", &[Step::Slice], movement::split),
    ("SLICE", &[Step::Slice], movement::slice),
    ("STRIDED_SLICE", &[Step::Slice], movement::strided_slice),
    ("BROADCAST_TO", &[Step::Slice], movement::broadcast_to),
    ("TRANSPOSE", &[Step::Transpose], movement::transpose),
    ("RESHAPE", &[], movement::reshape),
    ("SQUEEZE", &[], movement::reshape),
    ("EXPAND_DIMS", &[], movement::reshape),
    ("GATHER", &[Step::Gather, Step::Slice], selection::gather),
    ("GATHER_ND", &[Step::Gather, Step::Slice], selection::gather_nd),
    ("RESIZE_NEAREST_NEIGHBOR", &[Step::Gather, Step::Slice], selection::resize_nearest_neighbor),
    ("RESIZE_BILINEAR", &[Step::ResizeBilinear], selection::resize_bilinear),
    ("REVERSE_V2", &[Step::Slice], selection::reverse),
    ("MIRROR_PAD", &[Step::Gather], selection::mirror_pad),
    ("DEPTH_TO_SPACE", &[Step::Transpose], selection::depth_to_space),
    ("SPACE_TO_DEPTH", &[Step::Transpose], selection::space_to_depth),
    ("SPACE_TO_BATCH_ND", &[Step::Pad, Step::Transpose], selection::space_to_batch),
    ("BATCH_TO_SPACE_ND", &[Step::Transpose, Step::Slice], selection::batch_to_space),
    ("MINIMUM", &[Step::Minimum], selection::minimum_maximum),
    ("MAXIMUM", &[Step::Maximum], selection::minimum_maximum),
    ("REDUCE_MAX", &[Step::ReduceMax], selection::reduce),
    ("REDUCE_MIN", &[Step::ReduceMin], selection::reduce),
    ("SUM", &[Step::Mean], selection::reduce),
    ("ABS", &[Step::Lut], functions::function),
    ("EXP", &[Step::Lut], functions::function),
    ("LOG", &[Step::Lut], functions::function),
    ("GELU", &[Step::Lut], functions::function),
    ("SQRT", &[Step::Lut], functions::function),
    ("RSQRT", &[Step::Lut], functions::function),
    ("RELU_N1_TO_1", &[Step::Requantize], functions::narrow_relu),
    ("RELU_0_TO_1", &[Step::Requantize], functions::narrow_relu),
    ("L2_NORMALIZATION", &[Step::L2Norm], functions::l2_normalization),
    ("TILE", &[Step::Gather, Step::Slice], selection::tile),
    ("SQUARED_DIFFERENCE", &[Step::SquaredDifference], selection::squared_difference),
    ("SVDF", &[Step::Svdf], recurrent::svdf),
    ("UNIDIRECTIONAL_SEQUENCE_LSTM", &[Step::Lstm, Step::LstmI16], recurrent::lstm),
    ("CALL_ONCE", &[], variables::call_once),
    ("VAR_HANDLE", &[], variables::var_handle),
    ("READ_VARIABLE", &[Step::Concat], variables::read),
    ("ASSIGN_VARIABLE", &[Step::Concat], variables::assign),
];

/// Operators that are refused whatever their operands, with what to do instead.
pub const REFUSED: &[(&[&str], &str)] = &[
    (&["CUSTOM", "DELEGATE"], "build the model from TensorFlow Lite's built-in operators"),
    (
        &["DIV"],
        "its int8 kernels shift by more bits than a word has, so that quotients of small numbers are wrong: multiply by a \
         reciprocal",
    ),
    (&["IF", "WHILE", "CALL"], "convert the model without control flow"),
    (
        &["RNN", "LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN", "BIDIRECTIONAL_SEQUENCE_RNN", "BIDIRECTIONAL_SEQUENCE_LSTM"],
        "use UNIDIRECTIONAL_SEQUENCE_LSTM, or a convolution over the window",
    ),
    (&["ARG_MAX", "ARG_MIN", "TOPK_V2"], "end the model at the scores; the decision is taken outside"),
    (&["SHAPE", "RANK", "FILL", "RANGE"], "convert the model with fixed shapes and a batch of 1"),
];

/// What to do about any other operator.
pub const REFUSED_OTHERWISE: &str = "replace it in the source model by supported operators";

/// Returns whether an operator is read.
pub fn is_read(operator: &SourceOperator) -> bool {
    OPERATORS.iter().any(|(known, ..)| *known == operator.name)
}

/// Returns the refusal of an operator that is not read.
pub fn refusal(operator: &SourceOperator) -> CompileError {
    let remedy =
        REFUSED.iter().find(|(names, _)| names.contains(&operator.name)).map_or(REFUSED_OTHERWISE, |row| row.1);
    let reason = "this operator is not supported";
    CompileError::new(CompileErrorKind::Unsupported, &operator.place, reason, remedy)
}

/// Adds the nodes of `op` to the graph, or refuses it by name.
pub fn import(op: &mut Op) -> Result<(), CompileError> {
    match OPERATORS.iter().find(|(known, ..)| *known == op.source.name) {
        Some((_, _, import)) => import(op),
        None => Err(refusal(op.source)),
    }
}
