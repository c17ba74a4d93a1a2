//! The board: what tanbo-board-api asks for, on the peripherals of an emulated Arm MPS2 (AN386).
//!
//! Where there is an operating system there is no board, and this library is empty.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(target_os = "none")]
mod board;

#[cfg(target_os = "none")]
pub use board::{Board, Mps2Clock, Mps2Delay, Mps2I2c, Mps2Power, Mps2Slots, Mps2Uplink};
