//! The applications.

mod gauge;
mod seismic;
mod water;

pub use seismic::{Seismic, seismic};
pub use water::{Water, water};
