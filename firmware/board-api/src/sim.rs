//! A board without hardware: recordings for sensors, faults on order, and a clock that only sleep moves.
//!
//! All parts share one [`Cell`](core::cell::Cell) with the time, µs: a node that sleeps until midnight is there at once, so that days
//! pass in seconds and every run is the same.

mod fault;
mod power;
mod relay;
mod replay;
mod slots;
mod uplink;

pub use fault::{FaultPlan, Faulty, FaultyError};
pub use power::{Restart, SimClock, SimPower};
pub use relay::SimRelay;
pub use replay::{ACCELEROMETER, BAROMETER, Replay, SimFault};
pub use slots::SimSlots;
pub use uplink::{Ether, SimUplink};
