//! What the boot loader and the firmware must say alike of the watchdog.

use embassy_time::Duration;

/// Time that it waits: its counter holds little more.
pub const WATCHDOG: Duration = Duration::from_secs(8);
