//! Clock, sleep and supply of the node in the world.

use core::future::poll_fn;
use core::task::Poll;

use tanbo_board_api::{
    BrownoutError, Clock, Depth, Discipline, LastWords, Perf, Power, Reference, ResetCause, Supply, Utc, WakeCause,
    WakeMask,
};

use super::machine::TICKS_PER_US;
use super::reset::{RETAINED_BYTES, Reset, WATCHDOG_MS};
use super::{Wait, World};

/// The crystal, parts per billion.
const TOLERANCE_PPB: u32 = 20_000;
/// The node's clock.
pub struct WorldClock {
    world: &'static World,
    discipline: Discipline,
}

impl WorldClock {
    /// Returns a clock that does not know the time of the world yet.
    pub fn new(world: &'static World) -> Self {
        Self { world, discipline: Discipline::new(TOLERANCE_PPB) }
    }
}

impl Clock for WorldClock {
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

/// The node's power.
pub struct WorldPower {
    world: &'static World,
    retained: [u8; RETAINED_BYTES],
    said: LastWords,
}

impl WorldPower {
    /// Returns the power as the last reset left it.
    #[inline(never)]
    pub fn new(world: &'static World) -> Self {
        Self { world, retained: world.state.borrow().reset.retained, said: LastWords::NONE }
    }

    /// Changes what a reset keeps; retained memory is kept as it is now.
    fn keep<R>(&self, change: impl FnOnce(&mut Reset) -> R) -> R {
        let reset = &mut self.world.state.borrow_mut().reset;
        reset.retained = self.retained;
        change(reset)
    }

    /// Sleeps; `None` where the radio's interrupt, that nobody asked for, ends it.
    #[inline(never)]
    fn sleep(&mut self, deadline_us: u64, max_depth: Depth, wake: WakeMask) -> Option<WakeCause> {
        let now = self.world.now_us();
        let sensor = self.world.interrupts.iter().filter_map(core::cell::Cell::get).min();
        let sensor = sensor.filter(|_| wake.has(WakeMask::SENSOR)).unwrap_or(u64::MAX);
        let radio = self.world.radio_event_us().unwrap_or(u64::MAX);
        let until = deadline_us.min(sensor).min(radio);
        if until > now {
            // Standby loses the RAM: as deep as this board goes is stop.
            self.keep(|_| ());
            self.world.wait(until, Wait::Rest, max_depth.min(Depth::Stop), wake);
        }
        match until {
            _ if until == deadline_us => Some(WakeCause::Deadline),
            _ if until == sensor => Some(WakeCause::Sensor),
            _ => wake.has(WakeMask::UPLINK).then_some(WakeCause::Uplink),
        }
    }
}

impl Power for WorldPower {
    async fn sleep_until(&mut self, deadline_us: u64, max_depth: Depth, wake: WakeMask) -> WakeCause {
        // After the radio's interrupt who sleeps is told so twice: it looks at what it waits for, and drops this.
        let mut woken = false;
        poll_fn(|context| {
            if core::mem::take(&mut woken) {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let cause = self.sleep(deadline_us, max_depth, wake);
            if cause.is_none() {
                woken = true;
                context.waker().wake_by_ref();
            }
            cause.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    fn set_perf(&mut self, _: Perf) {}

    #[inline(never)]
    fn supply(&mut self) -> Supply {
        let world_us = self.world.world_us();
        self.world.change(|state| state.battery.supply(world_us))
    }

    #[inline(never)]
    fn on_brownout(&mut self, last_words: &[u8]) -> Result<(), BrownoutError> {
        self.keep(|reset| reset.words.stage(last_words))
    }

    fn last_words(&mut self) -> &[u8] {
        self.said = self.keep(|reset| LastWords::after(reset.words.take())).unwrap_or(LastWords::NONE);
        self.said.take()
    }

    fn reset_cause(&self) -> ResetCause {
        self.world.state.borrow().reset.cause
    }

    fn retained(&mut self) -> &mut [u8] {
        &mut self.retained
    }

    fn feed_watchdog(&mut self) {
        let bites = self.world.machine.ticks() + u64::from(WATCHDOG_MS) * 1000 * TICKS_PER_US;
        self.keep(|reset| reset.bites = Some(bites));
    }

    fn watchdog_ms(&self) -> Option<u32> {
        Some(WATCHDOG_MS)
    }

    fn watchdog_runs_asleep(&self) -> bool {
        false
    }

    fn reset(&mut self) -> ! {
        self.keep(|_| ());
        self.world.reset(ResetCause::Software)
    }
}
