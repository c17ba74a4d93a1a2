#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
// Nodes have one thread: futures need not be Send, which is all that the lint is about.
#![allow(async_fn_in_trait)]

#[cfg(feature = "sim")]
extern crate alloc;

pub mod clock;
pub mod conformance;
pub mod firmware;
pub mod last_words;
pub mod power;
pub mod relay;
pub mod sensor;
#[cfg(feature = "sim")]
pub mod sim;
pub mod slots;
pub mod uplink;
pub mod wait;

pub use clock::{Clock, Discipline, Reference, TimeSource, Utc};
pub use firmware::{Firmware, Refused};
pub use last_words::LastWords;
pub use power::{BrownoutError, Depth, LAST_WORDS_BYTES, Perf, Power, ResetCause, Supply, WakeCause, WakeMask};
pub use relay::Relay;
pub use sensor::{Burst, Channel, Fault, FaultKind, Format, Mode, Quantity, Sensor};
pub use slots::{Lend, MemorySlots, NoSlots, Selection, SlotError, SlotMemory, Slots};
pub use uplink::{FRAGMENTS, Limits, Port, Uplink, UplinkError};
