//! Time that goes on only while a future waits, so that tests neither wait nor depend on the machine's load.

use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use embassy_time::{Duration, MockDriver};

/// The time, one for all tests of a program: they take turns.
pub struct Time(#[expect(dead_code, reason = "held, not read")] MutexGuard<'static, ()>);

impl Time {
    pub fn start() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        // A failed test leaves nothing behind that the next one uses.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        MockDriver::get().reset();
        Self(turn)
    }

    pub fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return output;
            }
            MockDriver::get().advance(Duration::from_micros(10));
        }
    }
}
