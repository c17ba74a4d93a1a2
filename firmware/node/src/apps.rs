//! The applications.

mod cyclone;
mod gauge;
mod paddy;
mod seismic;
mod water;

pub use cyclone::{Cyclone, cyclone};
pub use paddy::{Paddy, paddy};
pub use seismic::{Seismic, seismic, seismic_with_slots};
pub use water::{Water, water};
