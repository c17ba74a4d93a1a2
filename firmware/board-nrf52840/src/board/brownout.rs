//! The power-fail comparator: embassy-nrf does not wrap it, so its registers are written here.

use cortex_m_rt::interrupt;
use embassy_nrf::interrupt::{self, InterruptExt as _};
use embassy_nrf::pac::POWER;
use embassy_nrf::pac::power::vals::Threshold;
use tanbo_board_api::BrownoutError;
use tanbo_parts::{Guarded, LastWords};

use super::NrfFlash;

static LAST_WORDS: Guarded<NrfFlash> = Guarded::new();

/// Watches the supply: last words are written below 2.7 V; the chip runs down to 1.7 V.
pub(super) fn watch(last_words: LastWords<NrfFlash>) {
    LAST_WORDS.set(last_words);
    set(true);
    POWER.events_pofwarn().write_value(0);
    POWER.intenset().write(|w| w.set_pofwarn(true));
    interrupt::CLOCK_POWER.unpend();
    // SAFETY: the handler shares the words through their mutex only, whose critical sections hold off every interrupt.
    unsafe { interrupt::CLOCK_POWER.enable() }
}

fn set(on: bool) {
    POWER.pofcon().write(|w| {
        w.set_pof(on);
        w.set_threshold(Threshold::V27);
    });
}

pub(super) fn arm(words: &[u8]) -> Result<(), BrownoutError> {
    LAST_WORDS.arm(words)
}

#[interrupt]
fn CLOCK_POWER() {
    POWER.events_pofwarn().write_value(0);
    // While it warns, the comparator keeps the flash from being written (product specification, POF comparator): off first. It is on
    // again after the next start.
    set(false);
    LAST_WORDS.write();
}
