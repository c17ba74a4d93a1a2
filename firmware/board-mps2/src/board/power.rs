//! Sleep is WFI; there is one speed, a supply that nobody measures, and a watchdog.

use tanbo_board_api::{BrownoutError, Depth, Perf, Power, ResetCause, Supply, WakeCause, WakeMask};
use tanbo_emulated::cmsdk::{Timer, Watchdog, Woken};
use tanbo_emulated::retained::{self, BYTES, Cause};

/// Time that the watchdog waits, ms.
const WATCHDOG_MS: u32 = 8_000;

/// The board's power.
#[derive(Debug)]
pub struct Mps2Power {
    timer: &'static Timer,
    watchdog: Watchdog,
    retained: &'static mut [u8; BYTES],
    cause: Cause,
}

impl Mps2Power {
    pub(super) fn new(
        timer: &'static Timer,
        watchdog: Watchdog,
        retained: &'static mut [u8; BYTES],
        cause: Cause,
    ) -> Self {
        Self { timer, watchdog, retained, cause }
    }
}

impl Power for Mps2Power {
    /// The board has one depth.
    async fn sleep_until(&mut self, deadline_us: u64, _: Depth, wake: WakeMask) -> WakeCause {
        match self.timer.wait_until(deadline_us, wake.has(WakeMask::UPLINK)) {
            Woken::Time => WakeCause::Deadline,
            Woken::Uart => WakeCause::Uplink,
        }
    }

    fn set_perf(&mut self, _: Perf) {}

    fn supply(&mut self) -> Supply {
        Supply::default()
    }

    fn on_brownout(&mut self, _: &[u8]) -> Result<(), BrownoutError> {
        Err(BrownoutError::Unsupported)
    }

    fn last_words(&mut self) -> &[u8] {
        &[]
    }

    fn reset_cause(&self) -> ResetCause {
        match self.cause {
            Cause::PowerOn => ResetCause::PowerOn,
            Cause::Software => ResetCause::Software,
            Cause::Watchdog => ResetCause::Watchdog,
            Cause::Unknown => ResetCause::Unknown,
        }
    }

    fn retained(&mut self) -> &mut [u8] {
        self.retained
    }

    fn feed_watchdog(&mut self) {
        retained::watched();
        self.watchdog.feed(WATCHDOG_MS);
    }

    fn watchdog_ms(&self) -> Option<u32> {
        Some(WATCHDOG_MS)
    }

    fn reset(&mut self) -> ! {
        retained::reset()
    }
}
