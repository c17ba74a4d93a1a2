#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Nodes have one thread: futures need not be Send, which is all that the lint is about.
#![allow(async_fn_in_trait)]

pub mod adxl355;
pub mod adxl362;
pub mod dps310;
mod error;
pub mod max17048;
pub mod mb85rc;
pub mod ms5837;
mod on_demand;
pub mod registers;
mod scale;
pub mod sdi12;
pub mod sht4x;

pub use error::DriverError;
