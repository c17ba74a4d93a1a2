//! Clock, sleep and supply of the node in the world.

use core::fmt::Write as _;
use core::future::poll_fn;
use core::task::Poll;

use tanbo_board_api::{
    BrownoutError, Clock, Depth, Discipline, LAST_WORDS_BYTES, Perf, Power, Reference, ResetCause, Supply, Utc,
    WakeCause, WakeMask,
};
use tanbo_emulated::files;

use super::{Wait, World};
use crate::info;

/// The crystal, parts per billion.
const TOLERANCE_PPB: u32 = 20_000;
/// Memory that a reset keeps, bytes.
const RETAINED_BYTES: usize = 64;
/// What a reset leaves for the next start: cause, length of the last words, the last words, retained memory.
const FILE: &str = "reset.bin";
const FILE_BYTES: usize = 2 + LAST_WORDS_BYTES + RETAINED_BYTES;
/// Exit code of a reset: whoever runs the world starts it again.
const RESET_EXIT: u8 = 77;
/// The watchdog, ms. It stands still in sleep.
const WATCHDOG_MS: u32 = 8_000;
/// How often the battery is looked at, µs.
const LOOK_US: u64 = 60_000_000;
/// Below this supply the core stops, mV.
const BROWNOUT_MV: u64 = 1_700;

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
    cause: ResetCause,
    retained: [u8; RETAINED_BYTES],
    last_words: heapless::Vec<u8, LAST_WORDS_BYTES>,
    staged: heapless::Vec<u8, LAST_WORDS_BYTES>,
    spoken: bool,
    harvested_us: u64,
}

/// What may have made the node start, by the number in the file.
const CAUSES: [ResetCause; 4] = [ResetCause::PowerOn, ResetCause::Software, ResetCause::BrownOut, ResetCause::Watchdog];

impl WorldPower {
    /// Returns the power as the last reset left it.
    pub fn new(world: &'static World) -> Self {
        let mut bytes = [0; FILE_BYTES];
        // Without the file, power has come on.
        let found = world.outside(|| files::read(FILE, &mut bytes));
        let mut power = Self {
            world,
            cause: ResetCause::PowerOn,
            retained: [0; RETAINED_BYTES],
            last_words: heapless::Vec::new(),
            staged: heapless::Vec::new(),
            spoken: false,
            harvested_us: world.world_us(),
        };
        if found == Ok(FILE_BYTES) {
            let [cause, len, rest @ ..] = bytes;
            let (words, retained) = rest.split_at(LAST_WORDS_BYTES);
            power.cause = CAUSES.get(usize::from(cause)).copied().unwrap_or(ResetCause::Unknown);
            // The words are no longer than their room.
            let _ = power.last_words.extend_from_slice(words.get(..usize::from(len)).unwrap_or_default());
            power.retained.iter_mut().zip(retained).for_each(|(to, byte)| *to = *byte);
        }
        power
    }

    /// Ends this start of the node: what is left goes to the next one.
    fn end(&self, cause: ResetCause) -> ! {
        self.world.outside(|| {
            let mut bytes = [0; FILE_BYTES];
            let words = if cause == ResetCause::BrownOut { &self.staged } else { &self.last_words };
            let cause = CAUSES.iter().position(|known| *known == cause).unwrap_or(CAUSES.len());
            let head = [cause as u8, words.len() as u8];
            let words = words.iter().copied().chain(core::iter::repeat(0)).take(LAST_WORDS_BYTES);
            let all = head.into_iter().chain(words).chain(self.retained);
            bytes.iter_mut().zip(all).for_each(|(to, byte)| *to = byte);
            // Without the file the next start is one of power coming on: what a reset whose memory is lost would be.
            let _ = files::write(FILE, &bytes);
            let mut charge = heapless::String::<32>::new();
            let left = self.world.state.borrow().battery.charge_permille();
            // 32 bytes hold any number.
            let _ = write!(charge, "{} {}", self.world.world_us(), left);
            let _ = files::write("reset.txt", charge.as_bytes());
        });
        tanbo_emulated::exit(RESET_EXIT)
    }

    /// Lets the battery have its sun, and looks whether the board still runs on it.
    fn look(&mut self) {
        let world_us = self.world.world_us();
        let span = world_us.saturating_sub(self.harvested_us);
        if span < LOOK_US {
            return;
        }
        self.harvested_us = world_us;
        let mv = self.world.change(|state| {
            state.battery.harvest(world_us, span);
            state.battery.millivolts()
        });
        if mv < BROWNOUT_MV {
            info!("brown-out at {} us, {} mV", world_us, mv);
            if self.world.settings.panel_mw == 0 {
                info!("the battery is empty, and nothing charges it");
                (self.world.end.get())(self.world);
                tanbo_emulated::exit(0);
            }
            self.end(ResetCause::BrownOut);
        }
    }
}

impl Power for WorldPower {
    async fn sleep_until(&mut self, deadline_us: u64, max_depth: Depth, wake: WakeMask) -> WakeCause {
        // After the radio's interrupt who sleeps is told so twice: it looks at what it waits for, and drops this.
        let mut woken = false;
        poll_fn(|_| {
            if core::mem::take(&mut woken) {
                return Poll::Pending;
            }
            let now = self.world.now_us();
            let sensor = self.world.interrupts.iter().filter_map(core::cell::Cell::get).min();
            let sensor = sensor.filter(|_| wake.has(WakeMask::SENSOR)).unwrap_or(u64::MAX);
            let radio = self.world.radio_event_us().unwrap_or(u64::MAX);
            let until = deadline_us.min(sensor).min(radio);
            if until > now {
                // Standby loses the RAM: as deep as this board goes is stop.
                self.world.wait(until, Wait::Rest, max_depth.min(Depth::Stop), wake);
                self.world.outside(|| self.look());
            }
            match until {
                _ if until == deadline_us => Poll::Ready(WakeCause::Deadline),
                _ if until == sensor => Poll::Ready(WakeCause::Sensor),
                _ if wake.has(WakeMask::UPLINK) => Poll::Ready(WakeCause::Uplink),
                _ => {
                    woken = true;
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn set_perf(&mut self, _: Perf) {}

    fn supply(&mut self) -> Supply {
        let world_us = self.world.world_us();
        self.world.change(|state| state.battery.supply(world_us))
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

    /// The watchdog of the world would need a core that hangs; the emulated one that does is ended by whoever runs it.
    fn feed_watchdog(&mut self) {}

    fn watchdog_ms(&self) -> Option<u32> {
        Some(WATCHDOG_MS)
    }

    fn watchdog_runs_asleep(&self) -> bool {
        false
    }

    fn reset(&mut self) -> ! {
        self.end(ResetCause::Software)
    }
}
