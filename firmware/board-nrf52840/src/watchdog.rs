//! What the boot loader and the firmware must say alike of the watchdog: who starts it first has set it.

use embassy_nrf::wdt::{Config, HaltConfig, SleepConfig};

/// Time that it waits, ms.
pub const WATCHDOG_MS: u32 = 8_000;

/// Returns how it is set: it stands still in sleep.
pub fn config() -> Config {
    let mut config = Config::default();
    config.timeout_ticks = WATCHDOG_MS * 32_768 / 1000;
    config.action_during_sleep = SleepConfig::Pause;
    config.action_during_debug_halt = HaltConfig::Pause;
    config
}
