//! TensorFlow Lite models in int8, as the reference kernels of TensorFlow Lite Micro run them, bit for bit.
//!
//! What those kernels refuse, ignore or compute in float is refused by operator and name. `flatbuffer`, `schema` and `source`
//! read the file, `context` and `op` keep the books, the other modules translate one family of operators each.
//!
//! Source: github.com/tensorflow/tflite-micro, `tensorflow/lite/kernels/internal/reference`.

mod context;
mod dense;
mod elementwise;
mod flatbuffer;
mod movement;
mod op;
mod schema;
mod source;
mod window;

use crate::error::CompileError;
use crate::graph::Graph;
use context::Context;
use op::Op;
use source::Source;

/// Returns the graph of a .tflite file; `name` is the model's name in messages.
///
/// Arrays keep the file's layout; float inputs behind a QUANTIZE and float outputs of a DEQUANTIZE become ports in
/// float. Bytes without sign become bytes with sign, less 128.
///
/// # Errors
/// A damaged file, an operator or type that cannot be run exactly, or parts that contradict one another; with the
/// operator or tensor and what to do.
pub fn import(bytes: &[u8], name: &str) -> Result<Graph, CompileError> {
    let source = Source::parse(bytes, name)?;
    let mut context = Context::new(&source, name, bytes.len())?;
    for operator in &source.operators {
        operator_to_nodes(&mut Op::new(&mut context, operator))?;
    }
    context.finish()
}

fn operator_to_nodes(op: &mut Op) -> Result<(), CompileError> {
    match op.source.name {
        "CONV_2D" => window::conv_2d(op),
        "DEPTHWISE_CONV_2D" => window::depthwise_conv_2d(op),
        "AVERAGE_POOL_2D" | "MAX_POOL_2D" => window::pool_2d(op),
        "FULLY_CONNECTED" => dense::fully_connected(op),
        "MEAN" => dense::mean(op),
        "SOFTMAX" => dense::softmax(op),
        "ADD" | "SUB" | "MUL" => elementwise::binary(op),
        "RELU" => elementwise::relu(op),
        "RELU6" => elementwise::relu6(op),
        "LEAKY_RELU" | "ELU" | "HARD_SWISH" | "LOGISTIC" | "TANH" => elementwise::table(op),
        "PRELU" => elementwise::prelu(op),
        "QUANTIZE" => elementwise::quantize(op),
        "DEQUANTIZE" => elementwise::dequantize(op),
        "PAD" | "PADV2" => movement::pad(op),
        "CONCATENATION" => movement::concatenation(op),
        "PACK" => movement::pack(op),
        "UNPACK" => movement::unpack(op),
        "SPLIT" | "SPLIT_V" => movement::split(op),
        "SLICE" => movement::slice(op),
        "STRIDED_SLICE" => movement::strided_slice(op),
        "BROADCAST_TO" => movement::broadcast_to(op),
        "TRANSPOSE" => movement::transpose(op),
        "RESHAPE" | "SQUEEZE" | "EXPAND_DIMS" => movement::reshape(op),
        _ => Err(op.unsupported("this operator is not supported", remedy(op.source.name))),
    }
}

/// What to do about an operator that is refused whatever its operands.
fn remedy(name: &str) -> &'static str {
    match name {
        "CUSTOM" | "DELEGATE" => "build the model from TensorFlow Lite's built-in operators",
        "RELU_N1_TO_1" | "RELU_0_TO_1" => {
            "TensorFlow Lite Micro has no kernel for it: use RELU6, or fuse the activation into the operator before"
        }
        "IF" | "WHILE" | "CALL" | "CALL_ONCE" => "convert the model without control flow",
        "VAR_HANDLE"
        | "READ_VARIABLE"
        | "ASSIGN_VARIABLE"
        | "SVDF"
        | "RNN"
        | "LSTM"
        | "UNIDIRECTIONAL_SEQUENCE_RNN"
        | "BIDIRECTIONAL_SEQUENCE_RNN"
        | "UNIDIRECTIONAL_SEQUENCE_LSTM"
        | "BIDIRECTIONAL_SEQUENCE_LSTM" => {
            "use a model without state between runs, such as a convolution over the window"
        }
        "ARG_MAX" | "ARG_MIN" | "TOPK_V2" => "end the model at the scores; the decision is taken outside",
        "SHAPE" | "RANK" | "FILL" | "RANGE" => "convert the model with fixed shapes and a batch of 1",
        _ => "replace it in the source model by supported operators",
    }
}
