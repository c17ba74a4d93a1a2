//! The board: what tanbo-board-api asks for, on the peripherals of an emulated Arm MPS2 (AN386); and a world around it, in which
//! a node runs for days.
//!
//! Where there is an operating system there is no board, and the world has the node all the same: its twin.

#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]
// Nodes have one thread: futures need not be Send, which is all that the lint is about.
#![allow(async_fn_in_trait)]

#[cfg(target_os = "none")]
mod board;
mod log;
mod node;
pub mod world;

#[cfg(target_os = "none")]
pub use board::{Board, Mps2Clock, Mps2Delay, Mps2I2c, Mps2Power, Mps2Slots, Mps2Uplink};
#[cfg(target_os = "none")]
pub use node::execute;
