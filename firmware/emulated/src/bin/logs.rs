//! Program that logs through defmt over RTT, as firmware does, and then goes on for ever: what a monitor hears is judged by who runs it.
#![cfg_attr(target_os = "none", no_std, no_main)]

tanbo_emulated::entry!(logs);

#[cfg(target_os = "none")]
fn logs() -> u8 {
    use core::sync::atomic::{AtomicU32, Ordering};
    use {cortex_m as _, defmt_rtt as _};

    // A clock that the log itself drives: microseconds, a second more each time.
    static TIME_US: AtomicU32 = AtomicU32::new(0);
    defmt::timestamp!("{=u32:us}", {
        let now = TIME_US.load(Ordering::Relaxed) + 1_000_000;
        TIME_US.store(now, Ordering::Relaxed);
        now
    });
    defmt::info!("started, {=u8} sensors", 3);
    defmt::warn!("{=str}: no answer", "accelerometer");
    defmt::error!("{=i16} of {=u64}", -7, u64::MAX);
    defmt::println!("{=[u8]}", [1, 0, 255]);
    loop {
        core::hint::spin_loop();
    }
}

/// Nothing to hear it where there is no debugger.
#[cfg(not(target_os = "none"))]
fn logs() -> u8 {
    2
}
