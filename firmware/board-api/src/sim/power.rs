//! Time and power.

use core::cell::Cell;

use crate::{
    BrownoutError, Clock, Depth, Discipline, LAST_WORDS_BYTES, Perf, Power, Reference, ResetCause, Supply, Utc,
    WakeCause, WakeMask,
};

/// Crystal of the simulated board: 20 ppm.
const TOLERANCE_PPB: u32 = 20_000;

/// A clock whose time is an argument.
#[derive(Clone, Copy, Debug)]
pub struct SimClock<'t> {
    time_us: &'t Cell<u64>,
    discipline: Discipline,
}

impl<'t> SimClock<'t> {
    /// Returns a clock that shows `time_us`, without a time of the world.
    pub fn new(time_us: &'t Cell<u64>) -> Self {
        Self { time_us, discipline: Discipline::new(TOLERANCE_PPB) }
    }
}

impl Clock for SimClock<'_> {
    fn now_us(&self) -> u64 {
        self.time_us.get()
    }

    fn utc_at(&self, at_us: u64) -> Option<Utc> {
        self.discipline.utc_at(at_us)
    }

    fn discipline(&mut self, reference: Reference) {
        self.discipline.discipline(reference);
    }
}

/// What is left of a simulated board when it resets: what the next [`SimPower`] starts from.
#[derive(Clone, Debug)]
pub struct Restart {
    cause: ResetCause,
    retained: [u8; RETAINED_BYTES],
    last_words: heapless::Vec<u8, LAST_WORDS_BYTES>,
}

/// Memory that a reset keeps, bytes.
const RETAINED_BYTES: usize = 64;
/// Watchdog, ms.
const WATCHDOG_MS: u32 = 8_000;

/// Power of a simulated board. Sleep moves the time; what else may wake, and the supply, are set by whoever simulates.
#[derive(Debug)]
pub struct SimPower<'t> {
    time_us: &'t Cell<u64>,
    /// Something that happens later: when, and what.
    pub next_wake: Option<(u64, WakeCause)>,
    /// What the supply measures.
    pub supply: Supply,
    /// The core's speed.
    pub perf: Perf,
    /// Sleeps so far.
    pub sleeps: u32,
    /// µs asleep so far.
    pub asleep_us: u64,
    fed_us: Option<u64>,
    cause: ResetCause,
    retained: [u8; RETAINED_BYTES],
    staged: heapless::Vec<u8, LAST_WORDS_BYTES>,
    last_words: heapless::Vec<u8, LAST_WORDS_BYTES>,
    spoken: bool,
}

impl<'t> SimPower<'t> {
    /// Returns a board whose power came on just now.
    pub fn new(time_us: &'t Cell<u64>) -> Self {
        let restart =
            Restart { cause: ResetCause::PowerOn, retained: [0; RETAINED_BYTES], last_words: heapless::Vec::new() };
        Self::restart(time_us, restart)
    }

    /// Returns a board after a reset.
    pub fn restart(time_us: &'t Cell<u64>, restart: Restart) -> Self {
        Self {
            time_us,
            next_wake: None,
            supply: Supply { mv: Some(3_300), ..Supply::default() },
            perf: Perf::Low,
            sleeps: 0,
            asleep_us: 0,
            fed_us: None,
            cause: restart.cause,
            retained: restart.retained,
            staged: heapless::Vec::new(),
            last_words: restart.last_words,
            spoken: false,
        }
    }

    /// Resets the board; a brown-out writes the last words.
    pub fn end(self, cause: ResetCause) -> Restart {
        let last_words = if cause == ResetCause::BrownOut { self.staged } else { self.last_words };
        let retained = if cause == ResetCause::PowerOn { [0; RETAINED_BYTES] } else { self.retained };
        Restart { cause, retained, last_words }
    }

    /// Returns whether the watchdog would have reset the board by now.
    pub fn watchdog_expired(&self) -> bool {
        self.fed_us.is_some_and(|fed| self.time_us.get() > fed + u64::from(WATCHDOG_MS) * 1000)
    }
}

/// What may be in a mask for a cause to wake.
fn allows(mask: WakeMask, cause: WakeCause) -> bool {
    match cause {
        WakeCause::Deadline => true,
        WakeCause::Sensor => mask.has(WakeMask::SENSOR),
        WakeCause::Uplink => mask.has(WakeMask::UPLINK),
        WakeCause::Button => mask.has(WakeMask::BUTTON),
    }
}

impl Power for SimPower<'_> {
    async fn sleep_until(&mut self, deadline_us: u64, _: Depth, wake: WakeMask) -> WakeCause {
        let now = self.time_us.get();
        let (until, cause) = match self.next_wake {
            Some((at_us, cause)) if at_us < deadline_us && allows(wake, cause) => {
                self.next_wake = None;
                (at_us, cause)
            }
            _ => (deadline_us, WakeCause::Deadline),
        };
        let until = until.max(now);
        self.sleeps += 1;
        self.asleep_us += until - now;
        self.time_us.set(until);
        cause
    }

    fn set_perf(&mut self, perf: Perf) {
        self.perf = perf;
    }

    fn supply(&mut self) -> Supply {
        self.supply
    }

    fn on_brownout(&mut self, last_words: &[u8]) -> Result<(), BrownoutError> {
        let bytes = last_words.len();
        self.staged = heapless::Vec::from_slice(last_words).map_err(|_| BrownoutError::TooLong { bytes })?;
        Ok(())
    }

    fn last_words(&mut self) -> &[u8] {
        if core::mem::replace(&mut self.spoken, true) { &[] } else { &self.last_words }
    }

    fn reset_cause(&self) -> ResetCause {
        self.cause
    }

    fn retained(&mut self) -> &mut [u8] {
        &mut self.retained
    }

    fn feed_watchdog(&mut self) {
        self.fed_us = Some(self.time_us.get());
    }

    fn watchdog_ms(&self) -> Option<u32> {
        Some(WATCHDOG_MS)
    }

    fn reset(&mut self) -> ! {
        // Whoever simulates resets with `end`; a node that does it itself ends the simulation here.
        panic!("the node reset itself")
    }
}
