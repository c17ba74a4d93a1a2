//! The conformance tests that a board can run by itself, one after the other.

use tanbo_board_api::conformance::{self, Failure};
use tanbo_board_api::{Clock, Lend, Power, Uplink};

/// Runs the tests of clock, power, slots and uplink, whose line must send everything back, and tells each result. The last slot is erased.
pub async fn run<C: Clock, P: Power, S: Lend, U: Uplink>(
    clock: &mut C,
    power: &mut P,
    slots: &mut S,
    uplink: &mut U,
    mut tell: impl FnMut(&'static str, Result<(), Failure>),
) {
    tell("clock", conformance::clock(clock, power).await);
    tell("power", conformance::power(clock, power).await);
    tell("slots", conformance::slots(slots).await);
    tell("uplink", conformance::uplink(uplink, clock, power).await);
}
