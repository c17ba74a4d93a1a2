#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

#[cfg(test)]
extern crate std;

mod counter;
mod error;
mod key;
pub mod provision;
pub mod serial;
pub mod v1;

pub use counter::{Counter, Window};
pub use error::{BodyError, FrameError, OpenError, SealError};
pub use key::Key;

/// Longest frame, bytes: what LoRaWAN's fastest data rates carry.
pub const MAX_FRAME: usize = 242;

/// A frame's bytes.
pub type Frame = heapless::Vec<u8, MAX_FRAME>;

/// Who a sensor node is: its EUI-64, the number that LoRaWAN calls DevEUI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u64);

/// What carries frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    /// A byte stream (UART through [`serial`], TCP): frames name their node, counters are whole, tags 8 bytes.
    Stream,
    /// LoRaWAN, whose server says which node a payload came from: 7 bytes less the body's, tags 4 bytes as LoRaWAN's own.
    LoraWan,
}

/// Which way a frame goes. A receiver takes one direction only, so that no frame can be reflected to its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From a sensor node to the gateway.
    Up,
    /// From the gateway to a sensor node.
    Down,
}
