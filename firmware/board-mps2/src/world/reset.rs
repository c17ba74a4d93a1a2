//! Resets of the node, and what makes them beside the node itself: a supply that falls, and the watchdog.

use core::fmt::Write as _;

use tanbo_board_api::{Depth, LAST_WORDS_BYTES, LastWords, ResetCause};
use tanbo_emulated::files;

use super::machine::TICKS_PER_US;
use super::{MINUTE_US, SECOND_US, World};
use crate::info;

/// Memory that a reset keeps, bytes.
pub(super) const RETAINED_BYTES: usize = 64;
/// What a reset leaves for the next start: cause, length of the last words, the last words, retained memory.
const FILE: &str = "reset.bin";
const FILE_BYTES: usize = 2 + LAST_WORDS_BYTES + RETAINED_BYTES;
/// And for whoever starts it: when it was, µs of the world, and what is left in the battery, µAh.
const TIME_FILE: &str = "reset.txt";
/// Exit code of a reset: whoever runs the world starts it again.
const RESET_EXIT: u8 = 77;
/// The watchdog, ms. It stands still while clocks are stopped.
pub(super) const WATCHDOG_MS: u32 = 8_000;
/// Below this supply the core stops, mV …
const BROWNOUT_MV: u64 = 1_700;
/// … and from this one on it is let go again.
const RELEASE_MV: u64 = 1_800;

/// What may have made the node start, by the number in the file.
const CAUSES: [ResetCause; 4] = [ResetCause::PowerOn, ResetCause::Software, ResetCause::BrownOut, ResetCause::Watchdog];

/// What a reset keeps, and what leads to one.
pub(super) struct Reset {
    pub cause: ResetCause,
    pub words: LastWords,
    /// As of the node's last call of its power.
    pub retained: [u8; RETAINED_BYTES],
    /// When the watchdog bites, ticks, if it is not fed and clocks run.
    pub bites: Option<u64>,
    /// Until when the sun was counted, µs of the world.
    pub harvested_us: u64,
}

impl Reset {
    /// Returns what the last reset left; without its file, power has come on.
    #[inline(never)]
    pub fn read(world_us: u64) -> Self {
        let mut bytes = [0; FILE_BYTES];
        let (mut cause, mut words, mut retained) = (ResetCause::PowerOn, LastWords::NONE, [0; RETAINED_BYTES]);
        if files::read(FILE, &mut bytes) == Ok(FILE_BYTES) {
            let [number, len, rest @ ..] = bytes;
            let (said, kept) = rest.split_at(LAST_WORDS_BYTES);
            cause = CAUSES.get(usize::from(number)).copied().unwrap_or(ResetCause::Unknown);
            words = LastWords::after(said.get(..usize::from(len)).unwrap_or_default()).unwrap_or(words);
            retained.iter_mut().zip(kept).for_each(|(to, byte)| *to = *byte);
        }
        Self { cause, words, retained, bites: None, harvested_us: world_us }
    }

    /// Leaves it for the next start.
    fn write(&self, cause: ResetCause) {
        let mut bytes = [0; FILE_BYTES];
        let words = self.words.at_reset(cause);
        let number = CAUSES.iter().position(|known| *known == cause).unwrap_or(CAUSES.len());
        let head = [number as u8, words.len() as u8];
        let words = words.iter().copied().chain(core::iter::repeat(0)).take(LAST_WORDS_BYTES);
        let all = head.into_iter().chain(words).chain(self.retained);
        bytes.iter_mut().zip(all).for_each(|(to, byte)| *to = byte);
        // Without the file the next start is one of power coming on: what a reset whose memory is lost would be.
        let _ = files::write(FILE, &bytes);
    }
}

impl World {
    /// Ends this start of the node: what is left goes to the next one.
    #[inline(never)]
    pub(super) fn reset(&self, cause: ResetCause) -> ! {
        self.report();
        self.outside(|| {
            let left_uah = self.change(|state| {
                state.reset.write(cause);
                state.battery.left_uah()
            });
            let mut text = heapless::String::<48>::new();
            // It holds any two numbers.
            let _ = write!(text, "{} {}", self.world_us(), left_uah);
            let _ = files::write(TIME_FILE, text.as_bytes());
        });
        tanbo_emulated::exit(RESET_EXIT)
    }

    /// A board whose supply fell is let go when it is there again: nothing runs until then.
    #[inline(never)]
    pub(super) fn hold(&self) {
        if self.state.borrow().reset.cause != ResetCause::BrownOut {
            return;
        }
        while self.sun() < RELEASE_MV {
            self.machine.wait_until(self.machine.ticks() + MINUTE_US * TICKS_PER_US);
            self.end_if_over();
        }
        let ticks = self.machine.ticks();
        self.state.borrow_mut().tally.begin(ticks);
        self.outside(|| info!("at {} us: power is back", self.world_us()));
    }

    /// Lets the battery have the sun since the last time; its voltage, mV.
    fn sun(&self) -> u64 {
        let world_us = self.world_us();
        let mut state = self.state.borrow_mut();
        let span_us = world_us.saturating_sub(core::mem::replace(&mut state.reset.harvested_us, world_us));
        state.battery.harvest(world_us, span_us);
        state.battery.millivolts()
    }

    /// When the battery is looked at next, ticks since the node's start.
    pub(super) fn next_look(&self) -> u64 {
        let due_us = self.state.borrow().reset.harvested_us + MINUTE_US;
        due_us.saturating_sub(self.settings.start_s * SECOND_US) * TICKS_PER_US
    }

    /// Looks whether the board still runs on its battery.
    #[inline(never)]
    pub(super) fn look_at_battery(&self) {
        // What it drew until now is gone.
        self.change(|_| ());
        let world_us = self.world_us();
        let mv = self.sun();
        if mv < BROWNOUT_MV {
            info!("at {} us: brown-out at {} mV", world_us, mv);
            if self.settings.panel_uw == 0 {
                info!("the battery is empty, and nothing charges it");
                self.over();
            }
            self.reset(ResetCause::BrownOut);
        }
    }

    /// Returns when the next reset comes that the node does not ask for, ticks, if the core waits in `depth`, and what it is.
    pub(super) fn next_reset(&self, depth: Depth) -> Option<(u64, ResetCause)> {
        let start_us = self.settings.start_s * SECOND_US;
        let dip = self.settings.dip_us.filter(|dip_us| *dip_us > start_us);
        let dip = dip.map(|dip_us| ((dip_us - start_us) * TICKS_PER_US, ResetCause::BrownOut));
        let bites = self.state.borrow().reset.bites.filter(|_| depth == Depth::Idle);
        let bites = bites.map(|tick| (tick, ResetCause::Watchdog));
        dip.into_iter().chain(bites).min_by_key(|(tick, _)| *tick)
    }
}
