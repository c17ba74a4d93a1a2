//! From model files to the graph. Each format is a feature of the crate.

#[cfg(feature = "onnx")]
pub mod onnx;
#[cfg(feature = "tflite")]
pub mod tflite;
