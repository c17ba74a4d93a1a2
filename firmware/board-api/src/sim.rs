//! A board without hardware: recordings for sensors, faults on order, and a clock that only sleep moves.
//!
//! All parts share one [`World`] with the time: a node that sleeps until midnight is there at once, so that days pass in seconds
//! and every run is the same. The supply can be cut at any time, or in the middle of any word that flash writes.

mod fault;
mod flash;
mod power;
mod relay;
mod replay;
mod uplink;
mod world;

pub use fault::{FaultPlan, Faulty, FaultyError};
pub use flash::{Cut, SimFlash};
pub use power::{Restart, SimClock, SimPower, SupplyAt};
pub use relay::SimRelay;
pub use replay::{ACCELEROMETER, BAROMETER, Measured, Replay, SimFault};
pub use uplink::{Down, FarEnd, SimUplink, echo};
pub use world::{Radio, Sleeps, World};
