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
    use core::cell::RefCell;
    use core::ops::Range;
    use core::panic::PanicInfo;

    use cortex_m::peripheral::SCB;
    use embassy_boot_nrf::{BootLoader, BootLoaderConfig, WatchdogFlash};
    use embassy_embedded_hal::flash::partition::BlockingPartition;
    use embassy_nrf::nvmc::Nvmc;
    use embassy_sync::blocking_mutex::Mutex;
    use embassy_sync::blocking_mutex::raw::NoopRawMutex;

    use crate::flash::UPDATES;
    use crate::watchdog;

    #[cortex_m_rt::entry]
    fn main() -> ! {
        let p = embassy_nrf::init(Default::default());
        // The firmware goes on with this watchdog, which nothing but a reset can set otherwise: an update that hangs before it feeds it is
        // taken back.
        let flash = WatchdogFlash::start(Nvmc::new(p.NVMC), p.WDT, watchdog::config());
        let flash = Mutex::<NoopRawMutex, _>::new(RefCell::new(flash));
        // The chip's flash lies at 0: addresses are offsets.
        let part = |range: &Range<u32>| BlockingPartition::new(&flash, range.start, range.end - range.start);
        let config =
            BootLoaderConfig { active: part(&UPDATES.active), dfu: part(&UPDATES.dfu), state: part(&UPDATES.state) };
        let loader: BootLoader = BootLoader::prepare(config);
        // SAFETY: a vector table lies there: the firmware's, which is linked to it (feature `boot` of the board).
        unsafe { loader.load(UPDATES.active.start) }
    }

    /// Flash that does not work: the next start tries again.
    #[panic_handler]
    fn panic(_: &PanicInfo<'_>) -> ! {
        SCB::sys_reset()
    }
}

tanbo_flash_map::board_only!("thumbv7em-none-eabihf");
