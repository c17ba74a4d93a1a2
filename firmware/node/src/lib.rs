//! The sensor node, whatever its board.
//!
//! Layer 4. The crate knows the applications and what they ask of a board (`tanbo-board-api`); it knows no pin and no
//! register. What a board and a sensor draw is data: `boards/*.toml` and `sensors/*.toml`, with their sources, become
//! constants when the crate is built.
//!
//! - [`duty`]: how much the node does, as a pure function of charge, harvest and hazard.
//! - [`plan`]: what it does in each mode, and what is on at each sleep: data, to assert and to add up.
//! - [`energy`]: what that costs: state × time × table.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod duty;
pub mod energy;
pub mod plan;
