//! From samples to events: the state machine that every target runs.
//!
//! Layer 3. Joins `tanbo-signal` (resampler, features), `tanbo` (the engine) and `tanbo-methods`. It does no input or output and reads no
//! clock: samples and their times are arguments, events are results. The firmware, the gateway and the desktop replay
//! call this same code, so a recording raises the same event at the same sample on each of them.
//!
//! `sample → resample → window → features → input tensor → Engine::run → score → decision → Event`
//!
//! What stands between readings and decision is a [`Detector`]: a [`Network`] behind its front end, which makes the
//! [`Station`] a [`Pipeline`], or a classical method: [`Shaking`], `Mofjeld`, `Tendency`, `Awd`.
//!
//! ```ignore
//! let mut arena = tanbo::Arena::<{ seismic::ARENA_BYTES }>::new();
//! let mut pipeline = Pipeline::new(seismic::engine(arena.as_mut())?, Rate { numerator: 200, denominator: 1 })?;
//! pipeline.push(time_us, [x_mgal, y_mgal, z_mgal], |hop| if let Some(event) = hop.event { report(event) })?;
//! ```

#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod decision;
mod detector;
mod error;
mod methods;
mod network;
mod pipeline;
pub mod recording;

pub use decision::{Change, Decider, GateKeeper};
pub use detector::{Detector, Scored};
pub use error::PipelineError;
pub use methods::{Barometer, FieldTube, Shaking};
pub use network::Network;
pub use pipeline::{Event, Hop, Pipeline, Station, Suspended};
pub use recording::Recording;
pub use tanbo_signal::{Rate, Sample};
