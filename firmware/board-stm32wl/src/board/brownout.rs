//! The programmable voltage detector: embassy-stm32 has no driver of it, so its registers are written here.

use cortex_m_rt::interrupt;
use embassy_stm32::interrupt::{self, InterruptExt as _};
use embassy_stm32::pac::pwr::vals::Pls;
use embassy_stm32::pac::{EXTI, PWR};
use tanbo_board_api::BrownoutError;
use tanbo_parts::{Guarded, LastWords};
use tanbo_stm32::Flash;

/// The detector's line (RM0453, EXTI).
const LINE: usize = 16;

static LAST_WORDS: Guarded<Flash> = Guarded::new();

/// Watches the supply: last words are written below 2.2 V; flash takes them down to 1.71 V.
pub(super) fn watch(last_words: LastWords<Flash>) {
    LAST_WORDS.set(last_words);
    PWR.cr2().modify(|w| {
        w.set_pls(Pls::V2_2);
        w.set_pvde(true);
    });
    // Its output rises as the supply falls.
    EXTI.rtsr(0).modify(|w| w.set_line(LINE, true));
    EXTI.imr(0).modify(|w| w.set_line(LINE, true));
    interrupt::PVD_PVM.unpend();
    // SAFETY: the handler shares the words through their mutex only, whose critical sections hold off every interrupt.
    unsafe { interrupt::PVD_PVM.enable() }
}

pub(super) fn arm(words: &[u8]) -> Result<(), BrownoutError> {
    LAST_WORDS.arm(words)
}

#[interrupt]
fn PVD_PVM() {
    // A one clears.
    EXTI.pr(0).write(|w| w.set_line(LINE, true));
    LAST_WORDS.write();
}
