#![doc = include_str!("../README.md")]
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
pub mod firmware;
mod inbox;
mod link;
mod models;
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

pub use apps::{Cyclone, Paddy, Seismic, Water, cyclone, paddy, seismic, seismic_with_slots, water};
pub use board::{Board, Parts, Setup, Stop};
pub use models::{Memory, Models};
pub use observe::{Note, Observer, Sleep};
pub use shared::EVENTS;
