//! TensorFlow Lite models in int8, or with int16 activations and int8 weights, as the reference kernels of TensorFlow Lite Micro run them, bit for bit.
//!
//! What those kernels refuse, ignore or compute in float is refused by operator and name. `flatbuffer`, `schema` and `source`
//! read the file, `context` and `op` keep the books, the other modules translate one family of operators each.
//!
//! Source: github.com/tensorflow/tflite-micro, `tensorflow/lite/kernels/internal/reference`.

mod context;
mod dense;
mod elementwise;
mod flatbuffer;
#[cfg(feature = "onnx")]
pub mod float;
mod functions;
mod movement;
mod op;
mod operators;
mod recurrent;
mod schema;
mod selection;
mod source;
mod variables;
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
        operators::import(&mut Op::new(&mut context, operator))?;
    }
    context.finish()
}

/// Returns the refusal of each operator that is not read, whatever its operands: what stands in a model's way apart from the
/// first that [`import`] names. Nothing for bytes that are not a model.
pub fn unsupported(bytes: &[u8], name: &str) -> Vec<CompileError> {
    let Ok(source) = Source::parse(bytes, name) else { return Vec::new() };
    source.operators.iter().filter(|operator| !operators::is_read(operator)).map(operators::refusal).collect()
}

/// Returns the operators that are read, each with the operators of an artifact that it can become.
pub fn operators() -> impl Iterator<Item = (&'static str, &'static [tanbo_format::Op])> {
    operators::OPERATORS.iter().map(|&(name, steps, _)| (name, steps))
}

/// Returns the operators of the schema that are refused whatever their operands, each with its remedy.
pub fn refused() -> impl Iterator<Item = (&'static str, &'static str)> {
    let read = |name: &str| operators::OPERATORS.iter().any(|row| row.0 == name);
    let remedy = |name: &str| operators::REFUSED.iter().find(|row| row.0.contains(&name)).map(|row| row.1);
    schema::OPERATORS
        .iter()
        .filter(move |name| !read(name))
        .map(move |&name| (name, remedy(name).unwrap_or(operators::REFUSED_OTHERWISE)))
}
