//! The brown-out detector: esp-hal has no driver of it, so its registers are written here.

use esp_hal::handler;
use esp_hal::peripherals::LPWR;
use esp_hal::rtc_cntl::Rtc;
use tanbo_board_api::BrownoutError;
use tanbo_parts::{Guarded, LastWords};

use super::EspFlash;

/// Cycles of the slow clock (136 kHz) that the supply must be low before the interrupt, and before the reset: 15 µs, 7.5 ms.
const INTERRUPT_CYCLES: u16 = 2;
const RESET_CYCLES: u16 = 0x3ff;

static LAST_WORDS: Guarded<EspFlash> = Guarded::new();

/// Watches the supply at the level that the boot loader has set, 2.51 V: an interrupt, not a reset.
pub(super) fn watch(rtc: &mut Rtc<'_>, last_words: LastWords<EspFlash>) {
    LAST_WORDS.set(last_words);
    set(false);
    rtc.set_interrupt_handler(fallen);
    LPWR::regs().int_ena().modify(|_, w| w.brown_out().set_bit());
}

/// The detector with or without a reset of the chip while the supply is low.
fn set(reset: bool) {
    LPWR::regs().brown_out().modify(|_, w| {
        // SAFETY: counts of the fields' widths (technical reference manual, RTC_CNTL_BROWN_OUT_REG).
        unsafe {
            w.brown_out_int_wait().bits(INTERRUPT_CYCLES);
            w.brown_out_rst_wait().bits(RESET_CYCLES);
        }
        // Flash must go on working: last words are written to it.
        w.brown_out_close_flash_ena().clear_bit();
        // The radio of the chip is not used; the whole chip, not the core alone.
        w.brown_out_rst_sel().set_bit();
        w.brown_out_rst_ena().bit(reset);
        w.brown_out_ena().set_bit()
    });
}

pub(super) fn arm(words: &[u8]) -> Result<(), BrownoutError> {
    LAST_WORDS.arm(words)
}

#[handler]
fn fallen() {
    let registers = LPWR::regs();
    // Once after each start.
    registers.int_ena().modify(|_, w| w.brown_out().clear_bit());
    registers.int_clr().write(|w| w.brown_out().clear_bit_by_one());
    LAST_WORDS.write();
    // From here on a supply that stays low holds the chip in reset.
    set(true);
}
