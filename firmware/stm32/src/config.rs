//! What every board sets alike.

use embassy_stm32::Config;
use embassy_stm32::rcc::LsConfig;
use embassy_time::Duration;

/// Tolerance of the 32,768 Hz crystal, parts per billion.
pub const CRYSTAL_PPB: u32 = 20_000;

/// Returns embassy's settings with the crystal for the time; the core's clock is the board's.
pub fn config() -> Config {
    let mut config = Config::default();
    config.rcc.ls = LsConfig::default_lse();
    // embassy-stm32 0.6 stops the core for shorter pauses than this too, and then sets no alarm: the guard in `power.rs` decides instead.
    config.min_stop_pause = Duration::from_ticks(0);
    // The debugger keeps clocks running: a field node's battery would pay for it.
    config.enable_debug_during_sleep = cfg!(debug_assertions);
    config
}
