//! Sleep until a time or a pin: what [`Power::sleep_until`](tanbo_board_api::Power::sleep_until) is made of. How deep the core sleeps
//! meanwhile is the executor's.

use embassy_futures::select::{Either, Either3, select, select3};
use embassy_time::Timer;
use embedded_hal::digital::ErrorType;
use embedded_hal_async::digital::Wait;
use tanbo_board_api::{WakeCause, WakeMask};

use crate::clock::instant;

/// Sleeps until `deadline_us` or until one of `wake` has its pin high. What comes over the uplink wakes the task through the uplink's own
/// future ([`tanbo_board_api::wait`]).
pub async fn until<S: Wait, B: Wait>(deadline_us: u64, wake: WakeMask, sensor: &mut S, button: &mut B) -> WakeCause {
    let deadline = Timer::at(instant(deadline_us));
    match select3(deadline, high(sensor, wake.has(WakeMask::SENSOR)), high(button, wake.has(WakeMask::BUTTON))).await {
        Either3::First(()) => WakeCause::Deadline,
        Either3::Second(()) => WakeCause::Sensor,
        Either3::Third(()) => WakeCause::Button,
    }
}

/// Never comes where the pin is not to wake, or cannot.
async fn high<P: Wait>(pin: &mut P, wakes: bool) {
    if !wakes || pin.wait_for_high().await.is_err() {
        core::future::pending().await
    }
}

/// Two pins of which either wakes.
#[derive(Debug)]
pub struct AnyOf<A, B>(pub A, pub B);

fn first<T>(done: Either<T, T>) -> T {
    match done {
        Either::First(result) | Either::Second(result) => result,
    }
}

impl<A: ErrorType, B> ErrorType for AnyOf<A, B> {
    type Error = A::Error;
}

impl<A: Wait, B: Wait<Error = A::Error>> Wait for AnyOf<A, B> {
    async fn wait_for_high(&mut self) -> Result<(), A::Error> {
        first(select(self.0.wait_for_high(), self.1.wait_for_high()).await)
    }

    async fn wait_for_low(&mut self) -> Result<(), A::Error> {
        first(select(self.0.wait_for_low(), self.1.wait_for_low()).await)
    }

    async fn wait_for_rising_edge(&mut self) -> Result<(), A::Error> {
        first(select(self.0.wait_for_rising_edge(), self.1.wait_for_rising_edge()).await)
    }

    async fn wait_for_falling_edge(&mut self) -> Result<(), A::Error> {
        first(select(self.0.wait_for_falling_edge(), self.1.wait_for_falling_edge()).await)
    }

    async fn wait_for_any_edge(&mut self) -> Result<(), A::Error> {
        first(select(self.0.wait_for_any_edge(), self.1.wait_for_any_edge()).await)
    }
}
