//! Chips behind debug probes, from the host, by probe-rs.
//!
//! Layer 1. Knows chips by probe-rs's descriptions and images by their ELF files; knows no board and no model. [`layout`] needs no
//! probe; the rest does, and says so where there is none.
//!
//! ```no_run
//! use tanbo_probe::Chip;
//! # fn main() -> Result<(), tanbo_probe::ProbeError> {
//! let mut chip = Chip::open("nRF52840_xxAA", None)?;
//! chip.write(&[(0xe_3000, &[0; 64])], |_| ())?;
//! let mut back = [1; 64];
//! chip.read(0xe_3000, &mut back)?;
//! chip.start()?;
//! # Ok(()) }
//! ```
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chip;
mod error;
pub mod layout;
mod list;
mod program;
mod rtt;

pub use chip::{Chip, Phase, Progress};
pub use error::ProbeError;
pub use list::{Probe, list};
pub use probe_rs::CoreType;
pub use program::{End, Ran};
pub use rtt::Rtt;
