#![doc = include_str!("../README.md")]
#![no_std]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Nodes have one thread: futures need not be Send, which is all that the lint is about.
#![allow(async_fn_in_trait)]

mod clock;
pub mod flash;
mod last_words;
#[cfg(feature = "lora")]
pub mod lora;
#[cfg(feature = "lora")]
mod lora_crypto;
pub mod provision;
#[cfg(target_os = "none")]
pub mod retained;
mod serial;
mod slots;
pub mod wake;

pub use clock::TickClock;
pub use last_words::{Guarded, LastWords, Words};
pub use serial::SerialUplink;
pub use slots::{FlashSlots, Standing};
