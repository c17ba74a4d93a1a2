//! The boot loader of an RP2040: swaps the firmware for an update that was staged, takes back one that did not confirm itself, starts what is
//! there. `tanbo-boot` is the firmware's side, `board-rp2040/src/flash.rs` says what lies where. The chip's ROM starts it through the second
//! stage of the boot code, which lies before it and before the firmware alike: no update touches it.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
#[path = "../../board-rp2040/src/flash.rs"]
mod flash;

#[cfg(target_os = "none")]
#[path = "../../board-rp2040/src/watchdog.rs"]
mod watchdog;

#[cfg(target_os = "none")]
mod on_board {
    use cortex_m::peripheral::SCB;
    use defmt_rtt as _;
    use embassy_rp::flash::{Blocking, Flash};
    use embassy_rp::peripherals::FLASH;
    use embassy_rp::watchdog::Watchdog;

    use crate::flash::{FLASH_BYTES, MAP, UPDATES};
    use crate::watchdog::WATCHDOG;

    #[cortex_m_rt::entry]
    fn main() -> ! {
        let p = embassy_rp::init(Default::default());
        // The firmware goes on with this watchdog: an update that hangs before it feeds it is taken back.
        let mut watchdog = Watchdog::new(p.WATCHDOG);
        watchdog.pause_on_debug(true);
        watchdog.start(WATCHDOG);
        let flash = Flash::<FLASH, Blocking, FLASH_BYTES>::new_blocking(p.FLASH);
        if tanbo_boot::prepare(flash, &MAP, &UPDATES, || watchdog.feed(WATCHDOG)).is_err() {
            // The next start tries again.
            SCB::sys_reset();
        }
        // SAFETY: a vector table lies there: the firmware's, which is linked to it (feature `boot` of the board). The other core waits in its
        // ROM, and nothing was started but clocks and the watchdog.
        unsafe { tanbo_boot::start(UPDATES.active.start) }
    }

    tanbo_boot::start_anew_at_panic!();
}

tanbo_flash_map::board_only!("thumbv6m-none-eabi");
