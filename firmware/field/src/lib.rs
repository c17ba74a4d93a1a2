//! The programs of a sensor node on a real board, whatever its chip.
//!
//! Layer 5. A board crate says of which types its parts are ([`Chip`]), makes them ([`Board`]) and starts a program: [`seismic`] finds
//! identity, uplink and sensors, makes the engine ready, runs `tanbo_node::seismic` and starts the board anew where the node stops;
//! [`suite!`] makes the program of a board's tests.

#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Nodes have one thread: futures need not be Send, which is all that the lint is about.
#![allow(async_fn_in_trait)]

mod bench;
mod board;
mod log;
mod panic;
mod provision;
mod seismic;
#[cfg(feature = "lora")]
pub mod sx1262;
mod uplink;

#[cfg(feature = "lora")]
pub use bench::radio_answers;
pub use bench::{BenchOf, bench};
pub use board::{Board, Chip, Start};
pub use seismic::{Kind, seismic};
pub use uplink::Uplink;

#[doc(hidden)]
pub use tanbo_suite;
