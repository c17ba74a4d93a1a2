//! The sensor node, whatever its board.
//!
//! Layer 4. The crate knows the applications and what they ask of a board (`tanbo-board-api`); it knows no pin and no
//! register. What a board and a sensor draw is data: `boards/*.toml` and `sensors/*.toml`, with their sources, become
//! constants when the crate is built.
//!
//! - [`duty`]: how much the node does, as a pure function of charge, harvest and hazard.
//! - [`plan`]: what it does in each mode, and what is on at each sleep: data, to assert and to add up.
//! - [`energy`]: what that costs: state × time × table.
//! - [`Board`], [`Parts`], [`Setup`]: what a board brings, and what a node is told when it is installed.
//! - [`slots`], [`update`], [`transfer`]: models apart from the firmware, and how they are replaced.
//! - [`observe`]: what a simulation or a test sees of a node at work.
//!
//! Each application is one function of a board's parts that does not return while the node is well:
//!
//! ```text
//! seismic(&mut parts, &setup, (&mut accelerometer, &mut motion), engine, &Seismic { .. }).await -> Stop<FlashError>
//! water  (&mut parts, &setup, &mut gauge, &Water { .. }).await
//! cyclone(&mut parts, &setup, (&mut barometer, &mut hygrometer), &Cyclone { .. }).await
//! paddy  (&mut parts, &setup, (&mut gauge, &mut hygrometer), &mut relay, &Paddy { .. }).await
//! ```
//!
//! It is a future for any executor (embassy's on boards, `block_on` too). Time is the board's `Clock`, sleep its `Power`, so that
//! the host twin needs no time driver of a process. There is one place that sleeps; sampling and uplink proceed at once in between.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]
// Nodes have one thread: futures need not be Send, which is all that the lint is about.
#![allow(async_fn_in_trait)]

mod agenda;
mod apps;
mod board;
pub mod duty;
pub mod energy;
pub mod faults;
mod link;
mod node;
pub mod observe;
mod outbox;
mod part;
pub mod plan;
mod retained;
mod sampling;
pub mod settings;
mod shared;
pub mod slots;
mod stamps;
pub mod transfer;
pub mod update;

pub use apps::{Cyclone, Paddy, Seismic, Water, cyclone, paddy, seismic, water};
pub use board::{Board, Parts, Setup, Stop};
pub use observe::{Note, Observer, Sleep};
