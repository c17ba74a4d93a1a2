#![doc = include_str!("../README.md")]
//!
//! # Layer
//!
//! Layer 3. Knows engines and the bytes of a memory; nothing of sensors, nor of what an inference is for.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Nodes have one thread: futures need not be Send, which is all that the lint is about.
#![allow(async_fn_in_trait)]

pub mod cost;
mod error;
mod journal;
mod memory;
mod record;

pub use error::JournalError;
pub use journal::{Found, Journal};
pub use memory::{Memory, Paged};
