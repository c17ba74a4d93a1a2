//! The commands, one file each.

#[cfg(feature = "run")]
pub mod bench;
pub mod card;
#[cfg(feature = "compile")]
pub mod compile;
pub mod demo;
pub mod inspect;
#[cfg(feature = "onnx")]
pub mod quantize;
pub mod replay;
#[cfg(feature = "run")]
pub mod run;
#[cfg(feature = "onnx")]
pub mod validate;
