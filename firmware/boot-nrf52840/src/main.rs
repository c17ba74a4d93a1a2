//! The boot loader of an nRF52840: swaps the firmware for an update that was staged, takes back one that did not confirm itself, starts what
//! is there. `tanbo-boot` is the firmware's side, `board-nrf52840/src/flash.rs` says what lies where.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
#[path = "../../board-nrf52840/src/flash.rs"]
mod flash;

#[cfg(target_os = "none")]
#[path = "../../board-nrf52840/src/watchdog.rs"]
mod watchdog;

#[cfg(target_os = "none")]
mod on_board {
    use cortex_m::peripheral::SCB;
    use embassy_nrf::nvmc::Nvmc;
    use embassy_nrf::wdt::Watchdog;

    use crate::flash::{MAP, UPDATES};
    use crate::watchdog;

    #[cortex_m_rt::entry]
    fn main() -> ! {
        let p = embassy_nrf::init(Default::default());
        // The firmware goes on with this watchdog, which nothing but a reset can set otherwise: an update that hangs before it feeds it is
        // taken back.
        let Ok((_, [mut watchdog])) = Watchdog::try_new(p.WDT, watchdog::config()) else {
            // Somebody else's runs already: it restarts the chip.
            loop {
                cortex_m::asm::wfi();
            }
        };
        if tanbo_boot::prepare(Nvmc::new(p.NVMC), &MAP, &UPDATES, || watchdog.pet()).is_err() {
            // The next start tries again.
            SCB::sys_reset();
        }
        // SAFETY: a vector table lies there: the firmware's, which is linked to it (feature `boot` of the board). Nothing was started but
        // the watchdog.
        unsafe { tanbo_boot::start(UPDATES.active.start) }
    }

    tanbo_boot::start_anew_at_panic!();
}

tanbo_flash_map::board_only!("thumbv7em-none-eabihf");
