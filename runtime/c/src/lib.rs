#![doc = include_str!("../README.md")]
//!
//! # Layer
//!
//! Layer 3. Knows the engine (`tanbo`) and how C calls functions; adds nothing that a Rust program would want. `abi.rs` is the only
//! file that touches a pointer; `operators.rs` names symbols, which counts as `unsafe` too.
#![cfg_attr(target_os = "none", no_std)]
#![deny(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod abi;
mod operators;
mod status;
mod tensor;
mod text;
