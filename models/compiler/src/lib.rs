//! Layer 3: a quantized ONNX or TFLite model becomes an artifact.
//!
//! Knows the source formats, real scales and the memory plan; knows no kernel's inside. An importer makes a
//! [`graph::Graph`], lowering turns its real scales into integers, the plan gives every tensor its bytes, and the
//! format's own verifier has the last word. What cannot be run exactly is refused with the node's name, the reason and
//! the remedy; nothing is approximated.
#![forbid(unsafe_code)]

pub mod binding;
mod c_header;
mod cost;
pub mod emit;
pub mod error;
#[cfg(feature = "onnx")]
pub mod float;
pub mod fuse;
pub mod graph;
pub mod import;
pub mod lower;
pub mod nonlinear;
pub mod order;
pub mod packings;
pub mod passes;
pub mod plan;
#[cfg(feature = "onnx")]
pub mod quantize;
pub mod resize;
pub mod states;
pub mod stream;
#[cfg(feature = "testing")]
pub mod testing;

pub use c_header::c_header;
pub use emit::{Compiled, Options, compile, compile_reported};
pub use error::{CompileError, CompileErrorKind};
