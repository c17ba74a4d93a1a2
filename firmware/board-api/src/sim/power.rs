//! Time and power.

use core::future::poll_fn;
use core::task::Poll;

use crate::sim::World;
use crate::{
    BrownoutError, Clock, Depth, Discipline, LastWords, Perf, Power, Reference, ResetCause, Supply, Utc, WakeCause,
    WakeMask,
};

/// Crystal of the simulated board: 20 ppm.
const TOLERANCE_PPB: u32 = 20_000;

/// A clock whose time is the world's.
#[derive(Clone, Copy, Debug)]
pub struct SimClock<'w> {
    world: &'w World,
    discipline: Discipline,
}

impl<'w> SimClock<'w> {
    /// Returns a clock without a time of the world.
    pub fn new(world: &'w World) -> Self {
        Self { world, discipline: Discipline::new(TOLERANCE_PPB) }
    }
}

impl Clock for SimClock<'_> {
    fn now_us(&self) -> u64 {
        self.world.now_us()
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
    last_words: LastWords,
}

/// Memory that a reset keeps, bytes.
const RETAINED_BYTES: usize = 64;
/// Watchdog, ms.
const WATCHDOG_MS: u32 = 8_000;

/// A supply, by the time.
pub type SupplyAt<'w> = &'w dyn Fn(u64) -> Supply;

/// 3.3 V, whatever happens.
fn mains(_: u64) -> Supply {
    Supply { mv: Some(3_300), ..Supply::default() }
}

/// Power of a simulated board. Sleep moves the time to whatever comes first.
pub struct SimPower<'w> {
    world: &'w World,
    /// What the supply measures.
    pub supply: SupplyAt<'w>,
    /// The core's speed.
    pub perf: Perf,
    /// Whether the watchdog runs in sleep.
    pub watchdog_asleep: bool,
    fed_us: Option<u64>,
    cause: ResetCause,
    retained: [u8; RETAINED_BYTES],
    last_words: LastWords,
}

impl<'w> SimPower<'w> {
    /// Returns a board whose power came on just now.
    pub fn new(world: &'w World) -> Self {
        let restart =
            Restart { cause: ResetCause::PowerOn, retained: [0; RETAINED_BYTES], last_words: LastWords::NONE };
        Self::restart(world, restart)
    }

    /// Returns a board after a reset.
    pub fn restart(world: &'w World, restart: Restart) -> Self {
        Self {
            world,
            supply: &mains,
            perf: Perf::Low,
            watchdog_asleep: true,
            fed_us: None,
            cause: restart.cause,
            retained: restart.retained,
            last_words: restart.last_words,
        }
    }

    /// Resets the board; a brown-out writes the last words.
    pub fn end(&self, cause: ResetCause) -> Restart {
        // Staged words are not longer than written ones may be.
        let last_words = LastWords::after(self.last_words.at_reset(cause)).unwrap_or(LastWords::NONE);
        let retained = if cause == ResetCause::PowerOn { [0; RETAINED_BYTES] } else { self.retained };
        Restart { cause, retained, last_words }
    }

    /// Returns whether the watchdog would have reset the board by now.
    pub fn watchdog_expired(&self) -> bool {
        self.fed_us.is_some_and(|fed| self.world.now_us() > fed + u64::from(WATCHDOG_MS) * 1000)
    }
}

/// What comes next in a sleep.
enum Next {
    Cause(WakeCause),
    /// A device's interrupt: it wakes whoever waits for the device.
    Device,
    Cut,
}

impl SimPower<'_> {
    /// Returns what ends a sleep first, and when. Of two at once the supply goes first, and the deadline comes last.
    fn next(&self, deadline_us: u64, wake: WakeMask) -> (u64, Next) {
        let world = self.world;
        let masked = |mask, at_us: Option<u64>| at_us.filter(|_| wake.has(mask));
        let mut first = (deadline_us, Next::Cause(WakeCause::Deadline));
        let others = [
            (masked(WakeMask::BUTTON, world.button_us.get()), Next::Cause(WakeCause::Button)),
            (masked(WakeMask::UPLINK, world.uplink_us.get()), Next::Cause(WakeCause::Uplink)),
            (masked(WakeMask::SENSOR, world.next_sensor_us()), Next::Cause(WakeCause::Sensor)),
            (world.device_us.get(), Next::Device),
            (world.cut_us.get(), Next::Cut),
        ];
        for (at_us, next) in others {
            if let Some(at_us) = at_us
                && at_us <= first.0
            {
                first = (at_us, next);
            }
        }
        first
    }
}

impl Power for SimPower<'_> {
    async fn sleep_until(&mut self, deadline_us: u64, _: Depth, wake: WakeMask) -> WakeCause {
        if self.world.is_cut() {
            // In the middle of something else.
            self.world.cut().await;
        }
        let (at_us, next) = self.next(deadline_us, wake);
        self.world.slept(at_us);
        if self.watchdog_asleep {
            assert!(!self.watchdog_expired(), "the watchdog ends a sleep until {deadline_us} us");
        } else {
            self.fed_us = self.fed_us.map(|_| self.world.now_us());
        }
        match next {
            Next::Cause(cause) => {
                if cause == WakeCause::Button {
                    self.world.button_us.set(None);
                }
                cause
            }
            Next::Device => {
                self.world.device_us.set(None);
                // Awake for somebody else.
                poll_fn(|context| {
                    context.waker().wake_by_ref();
                    Poll::Pending
                })
                .await
            }
            Next::Cut => self.world.cut().await,
        }
    }

    fn set_perf(&mut self, perf: Perf) {
        self.perf = perf;
    }

    fn supply(&mut self) -> Supply {
        (self.supply)(self.world.now_us())
    }

    fn on_brownout(&mut self, last_words: &[u8]) -> Result<(), BrownoutError> {
        self.last_words.stage(last_words)
    }

    fn last_words(&mut self) -> &[u8] {
        self.last_words.take()
    }

    fn reset_cause(&self) -> ResetCause {
        self.cause
    }

    fn retained(&mut self) -> &mut [u8] {
        &mut self.retained
    }

    fn feed_watchdog(&mut self) {
        self.fed_us = Some(self.world.now_us());
    }

    fn watchdog_ms(&self) -> Option<u32> {
        Some(WATCHDOG_MS)
    }

    fn watchdog_runs_asleep(&self) -> bool {
        self.watchdog_asleep
    }

    fn reset(&mut self) -> ! {
        // Whoever simulates resets with `end`; a node that does it itself ends the simulation here.
        panic!("the node reset itself")
    }
}
