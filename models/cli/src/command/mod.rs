//! The commands, one file each.

#[cfg(feature = "run")]
pub mod bench;
pub mod card;
#[cfg(feature = "compile")]
pub mod compile;
pub mod demo;
#[cfg(feature = "run")]
pub mod diff;
#[cfg(unix)]
pub mod doctor;
#[cfg(feature = "probe")]
pub mod flash;
pub mod header;
pub mod inspect;
pub mod keygen;
#[cfg(feature = "probe")]
pub mod monitor;
#[cfg(feature = "nodes")]
pub mod provision;
#[cfg(feature = "onnx")]
pub mod quantize;
pub mod replay;
#[cfg(feature = "run")]
pub mod run;
pub mod sign;
#[cfg(feature = "nodes")]
pub mod update;
#[cfg(feature = "onnx")]
pub mod validate;
pub mod verify;
