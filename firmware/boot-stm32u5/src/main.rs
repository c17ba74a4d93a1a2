//! The boot loader of an STM32U575: swaps the firmware for an update that was staged, takes back one that did not confirm itself, starts what
//! is there. `tanbo-boot` is the firmware's side, `board-stm32u5/src/flash.rs` says what lies where.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
#[path = "../../board-stm32u5/src/flash.rs"]
mod flash;

#[cfg(target_os = "none")]
mod on_board {
    use cortex_m::peripheral::SCB;
    use defmt_rtt as _;
    use embassy_stm32::Peripherals;
    use embassy_stm32::flash::Flash;
    use embassy_stm32::wdg::IndependentWatchdog;
    use tanbo_stm32::WATCHDOG_MS;

    use crate::flash::{MAP, UPDATES};

    /// Clocks stay as the chip starts with them: the firmware finds a chip that has just been reset, its real-time clock running on.
    #[cortex_m_rt::entry]
    fn main() -> ! {
        // SAFETY: nothing else runs.
        let p = unsafe { Peripherals::steal() };
        // The firmware goes on with this watchdog: an update that hangs before it feeds it is taken back.
        let mut watchdog = IndependentWatchdog::new(p.IWDG, WATCHDOG_MS * 1000);
        watchdog.unleash();
        if tanbo_boot::prepare(Flash::new_blocking(p.FLASH), &MAP, &UPDATES, || watchdog.pet()).is_err() {
            // The next start tries again.
            SCB::sys_reset();
        }
        // SAFETY: a vector table lies there: the firmware's, which is linked to it (feature `boot` of the board). Nothing was started but
        // the watchdog.
        unsafe { tanbo_boot::start(UPDATES.active.start) }
    }

    tanbo_boot::start_anew_at_panic!();
}

tanbo_flash_map::board_only!("thumbv8m.main-none-eabihf");
