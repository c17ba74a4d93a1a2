//! Clock, sleep and frames over a UART that echoes.

mod time;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::task::Poll;

use embedded_hal::digital::ErrorType as PinErrorType;
use embedded_hal_async::digital::Wait;
use embedded_io_async::{ErrorType, Read, Write};
use tanbo_board_api::{
    BrownoutError, Clock as _, Depth, Perf, Power, ResetCause, Supply, Uplink as _, WakeCause, WakeMask, conformance,
};
use tanbo_parts::{SerialUplink, TickClock, wake};
use time::Time;

/// A pin that is high or low for ever.
struct Pin(bool);

impl PinErrorType for Pin {
    type Error = Infallible;
}

impl Wait for Pin {
    async fn wait_for_high(&mut self) -> Result<(), Infallible> {
        if self.0 { Ok(()) } else { pending().await }
    }

    async fn wait_for_low(&mut self) -> Result<(), Infallible> {
        if self.0 { pending().await } else { Ok(()) }
    }

    async fn wait_for_rising_edge(&mut self) -> Result<(), Infallible> {
        pending().await
    }

    async fn wait_for_falling_edge(&mut self) -> Result<(), Infallible> {
        pending().await
    }

    async fn wait_for_any_edge(&mut self) -> Result<(), Infallible> {
        pending().await
    }
}

/// Sleep as boards have it; the rest of a board is none of this crate's.
struct Sleep([u8; 32]);

impl Power for Sleep {
    async fn sleep_until(&mut self, deadline_us: u64, _: Depth, wake: WakeMask) -> WakeCause {
        wake::until(deadline_us, wake, &mut Pin(false), &mut Pin(false)).await
    }

    fn set_perf(&mut self, _: Perf) {}

    fn supply(&mut self) -> Supply {
        Supply::default()
    }

    fn on_brownout(&mut self, _: &[u8]) -> Result<(), BrownoutError> {
        Err(BrownoutError::Unsupported)
    }

    fn last_words(&mut self) -> &[u8] {
        &[]
    }

    fn reset_cause(&self) -> ResetCause {
        ResetCause::PowerOn
    }

    fn retained(&mut self) -> &mut [u8] {
        &mut self.0
    }

    fn feed_watchdog(&mut self) {}

    fn watchdog_ms(&self) -> Option<u32> {
        None
    }

    fn reset(&mut self) -> ! {
        panic!("a reset")
    }
}

#[derive(Default)]
struct Wire(RefCell<VecDeque<u8>>);

impl ErrorType for &Wire {
    type Error = Infallible;
}

impl Read for &Wire {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, Infallible> {
        poll_fn(|_| match self.0.borrow_mut().pop_front() {
            Some(byte) => {
                into[0] = byte;
                Poll::Ready(Ok(1))
            }
            None => Poll::Pending,
        })
        .await
    }
}

impl Write for &Wire {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        // As UARTs with small buffers: a few at a time.
        let some = &bytes[..bytes.len().min(7)];
        self.0.borrow_mut().extend(some);
        Ok(some.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

#[test]
fn clock_sleep_and_uplink_keep_their_promises() {
    let time = Time::start();
    let (mut clock, mut power, wire) = (TickClock::new(20_000), Sleep([0; 32]), Wire::default());
    let kept = |result: Result<(), conformance::Failure>| result.unwrap_or_else(|failure| panic!("{failure}"));
    kept(time.run(conformance::clock(&mut clock, &mut power)));
    kept(time.run(conformance::power(&clock, &mut power)));
    kept(time.run(conformance::uplink(&mut SerialUplink::new(&wire, &wire), &clock, &mut power)));
}

#[test]
fn a_pin_wakes_only_who_asked_for_it() {
    let time = Time::start();
    let clock = TickClock::new(20_000);
    let sleep = |mask, mut sensor: Pin, mut button: Pin| {
        time.run(wake::until(clock.now_us() + 2_000, mask, &mut sensor, &mut button))
    };
    let both = WakeMask::SENSOR.or(WakeMask::BUTTON);
    assert_eq!(sleep(both, Pin(true), Pin(false)), WakeCause::Sensor);
    assert_eq!(sleep(both, Pin(false), Pin(true)), WakeCause::Button);
    assert_eq!(sleep(both, Pin(false), Pin(false)), WakeCause::Deadline);
    for pins in [(true, false), (false, true), (false, false)] {
        let mut sensors = wake::AnyOf(Pin(pins.0), Pin(pins.1));
        let woken = time.run(wake::until(clock.now_us() + 2_000, both, &mut sensors, &mut Pin(false)));
        let expected = if pins == (false, false) { WakeCause::Deadline } else { WakeCause::Sensor };
        assert_eq!(woken, expected, "{pins:?}");
    }
    assert_eq!(sleep(WakeMask::SENSOR, Pin(false), Pin(true)), WakeCause::Deadline);
    assert_eq!(sleep(WakeMask::UPLINK, Pin(true), Pin(true)), WakeCause::Deadline);
}

#[test]
fn noise_between_frames_costs_no_frame() {
    let time = Time::start();
    let wire = Wire::default();
    let mut uplink = SerialUplink::new(&wire, &wire);
    wire.0.borrow_mut().extend([0, 0, 0x55, 0xff, 0]);
    time.run(uplink.send(&[1, 0, 2])).expect("sent");
    let mut into = [0; 8];
    assert_eq!(time.run(uplink.receive(&mut into, 0)), Ok(Some(3)));
    assert_eq!(into[..3], [1, 0, 2]);
    assert_eq!(time.run(uplink.receive(&mut into, 0)), Ok(None));
}
