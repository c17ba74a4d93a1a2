//! Classical methods that stand where a network may stand later: tsunami and flood detection from water levels
//! ([`water`]), pressure tendency ([`pressure`]), reference evapotranspiration, water balance and irrigation of rice
//! paddies ([`day`], [`fao56`], [`paddy`], [`pump`]).
//!
//! Layer 1. The crate knows readings, their times and thresholds in physical units. It knows nothing of sensors,
//! clocks, radios or relays: each method is a state machine or a function whose time is an argument. Times are
//! microseconds of a clock that does not jump where the documentation does not say otherwise.
//!
//! What decides an alarm is integer arithmetic. Two things are real numbers: FAO-56's formulas and the tide of the
//! air, once per day and once per reading. They use `f64` and `libm` only, whose software routines give the same bits on
//! a microcontroller and on a host.
//!
//! The classical method of the seismic station is `tanbo_signal::StaLtaTrigger`, which shares filters with the front end.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod day;
mod error;
pub mod fao56;
pub mod paddy;
pub mod pressure;
pub mod pump;
mod series;
pub mod water;

pub use error::ParameterError;
