//! What the commands about nodes share: the line to one, and the registry of all.

pub mod calibration;
#[cfg(feature = "probe")]
pub mod chip;
pub mod identity;
pub mod line;
pub mod registry;
