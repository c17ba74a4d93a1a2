//! Integer signal processing between a sensor and a model: the front end.
//!
//! Layer 1. This crate knows samples, rates and filters. It knows nothing of artifacts, tensors or engines: a
//! [`FrontEnd`] is a plain record of parameters that an artifact carries as opaque bytes, and the features it yields
//! are plain `i8`.
//!
//! Every operation is an integer operation with one defined result, so a trace gives the same features on a desktop,
//! where a model is trained and calibrated with this very code, and on a microcontroller. There is no heap; all sizes
//! are bounded by the constants of [`front_end`].
//!
//! The way of a sample: [`Resampler`] (sensor rate to model rate) → [`FeatureExtractor`] (filter bank, energies per
//! hop, running average, logarithms, quantization). [`StaLtaTrigger`] is the classical trigger on samples, for a gate
//! that stands before everything else, and for stations without a model.
//!
//! # Units
//!
//! Samples are accelerations in milligal: 1 mGal = 0.001 gal = 10⁻⁵ m/s². An `i32` limited to ±2²³ mGal spans ±8.5 g,
//! and one step is 1/65 of the noise of a MEMS accelerometer in 1–10 Hz.
//!
//! # Examples
//!
//! ```
//! use tanbo_signal::{Rate, Resampler};
//!
//! let sensor = Rate { numerator: 200, denominator: 1 };
//! let model = Rate { numerator: 125, denominator: 4 };
//! let mut resampler = Resampler::new(sensor, model)?;
//! let mut count = 0;
//! for _ in 0..2000 {
//!     resampler.push([0, 0, 981_000], |sample| {
//!         assert_eq!(sample, [0, 0, 981_000]); // a constant, such as gravity, stays exactly constant
//!         count += 1;
//!     });
//! }
//! assert_eq!(count, 312); // 10 s at 31.25 Hz
//! # Ok::<(), tanbo_signal::ResampleError>(())
//! ```

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod biquad;
mod features;
pub mod front_end;
mod log2;
mod resample;
mod sta_lta;

pub use features::{FeatureExtractor, Hop};
pub use front_end::{Band, Decision, FrontEnd, FrontEndError, Gate};
pub use log2::log2_q8;
pub use resample::{Rate, ResampleError, Resampler};
pub use sta_lta::{MAX_AVERAGE_SAMPLES, StaLta, StaLtaTrigger, Trigger};

/// Axes of a sensor.
pub const AXES: usize = 3;

/// One reading of the three axes, in mGal.
pub type Sample = [i32; AXES];

/// Samples beyond ±`SAMPLE_LIMIT` mGal (8.5 g) are clamped to it.
pub const SAMPLE_LIMIT: i32 = (1 << 23) - 1;
