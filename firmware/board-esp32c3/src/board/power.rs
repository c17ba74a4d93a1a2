//! Sleep, watchdog, retained memory and why the board started.

use core::convert::Infallible;
use core::future::pending;
use core::sync::atomic::{AtomicBool, Ordering};

use embedded_hal::digital::ErrorType;
use embedded_hal_async::digital::Wait;
use esp_hal::gpio::Input;
use esp_hal::ram;
use esp_hal::rtc_cntl::{Rwdt, RwdtStage, SocResetReason, WakeLock};
use esp_hal::time::Duration;
use tanbo_board_api::{BrownoutError, Depth, Perf, Power, ResetCause, Supply, WakeCause, WakeMask};
use tanbo_parts::{Words, wake};

use super::brownout;

/// Time that the watchdog waits, ms. It stands still in light sleep.
const WATCHDOG_MS: u32 = 30_000;
/// Bytes for the firmware.
const BYTES: usize = 64;

/// The chip's 8 KiB of RAM for the real-time clock: every reset and every sleep keeps it, and esp-hal zeroes it when power comes on.
#[ram(unstable(rtc_fast, persistent))]
static mut RETAINED: [u8; BYTES] = [0; BYTES];
static TAKEN: AtomicBool = AtomicBool::new(false);

fn retained() -> Option<&'static mut [u8; BYTES]> {
    // Without atomic instructions; it is called once, before anything else runs.
    if TAKEN.load(Ordering::Acquire) {
        return None;
    }
    TAKEN.store(true, Ordering::Release);
    let bytes = &raw mut RETAINED;
    // SAFETY: nothing else names the static, and `TAKEN` lets this happen once; bytes are bytes whatever the RAM holds.
    Some(unsafe { &mut *bytes })
}

/// No button: every pin of the module has another use.
struct NoButton;

impl ErrorType for NoButton {
    type Error = Infallible;
}

impl Wait for NoButton {
    async fn wait_for_high(&mut self) -> Result<(), Infallible> {
        pending().await
    }

    async fn wait_for_low(&mut self) -> Result<(), Infallible> {
        pending().await
    }

    async fn wait_for_rising_edge(&mut self) -> Result<(), Infallible> {
        pending().await
    }

    async fn wait_for_falling_edge(&mut self) -> Result<(), Infallible> {
        pending().await
    }

    async fn wait_for_any_edge(&mut self) -> Result<(), Infallible> {
        pending().await
    }
}

/// The board's power.
pub struct EspPower {
    sensors: Input<'static>,
    watchdog: Rwdt,
    fed: bool,
    cause: ResetCause,
    retained: &'static mut [u8; BYTES],
    said: Words,
}

/// Why the chip started.
pub(super) fn cause() -> ResetCause {
    use SocResetReason as Reason;
    match esp_hal::system::reset_reason() {
        // The reset pin leaves the same reason.
        Some(Reason::ChipPowerOn) => ResetCause::PowerOn,
        Some(Reason::SysBrownOut) => ResetCause::BrownOut,
        Some(Reason::CoreSw | Reason::Cpu0Sw | Reason::CoreUsbUart | Reason::CoreUsbJtag) => ResetCause::Software,
        Some(Reason::CoreDeepSleep) => ResetCause::Wake,
        Some(
            Reason::CoreMwdt0
            | Reason::CoreMwdt1
            | Reason::CoreRtcWdt
            | Reason::Cpu0Mwdt0
            | Reason::Cpu0Mwdt1
            | Reason::Cpu0RtcWdt
            | Reason::SysRtcWdt
            | Reason::SysSuperWdt,
        ) => ResetCause::Watchdog,
        Some(Reason::SysClkGlitch | Reason::CorePwrGlitch | Reason::CoreEfuseCrc) => ResetCause::Fault,
        None => ResetCause::Unknown,
    }
}

impl EspPower {
    pub(super) fn new(sensors: Input<'static>, watchdog: Rwdt, said: Words) -> Option<Self> {
        let cause = said.explain(cause());
        Some(Self { sensors, watchdog, fed: false, cause, retained: retained()?, said })
    }
}

impl Power for EspPower {
    /// Light sleep, RAM kept, unless the depth is [`Depth::Idle`] or a peripheral at work holds it off: esp-rtos enters it where nothing is to
    /// be done for a millisecond, and sets the clock by the slow clock's when it wakes.
    async fn sleep_until(&mut self, deadline_us: u64, depth: Depth, wake: WakeMask) -> WakeCause {
        let _awake = (depth == Depth::Idle).then(WakeLock::new);
        wake::until(deadline_us, wake, &mut self.sensors, &mut NoButton).await
    }

    /// The core stays at 160 MHz: it is either computing or asleep.
    fn set_perf(&mut self, _: Perf) {}

    /// Nothing measures it: no pin is left.
    fn supply(&mut self) -> Supply {
        Supply::default()
    }

    fn on_brownout(&mut self, last_words: &[u8]) -> Result<(), BrownoutError> {
        brownout::arm(last_words)
    }

    fn last_words(&mut self) -> &[u8] {
        self.said.take()
    }

    fn reset_cause(&self) -> ResetCause {
        self.cause
    }

    fn retained(&mut self) -> &mut [u8] {
        self.retained
    }

    fn feed_watchdog(&mut self) {
        if !self.fed {
            self.fed = true;
            self.watchdog.set_timeout(RwdtStage::Stage0, Duration::from_millis(WATCHDOG_MS.into()));
            self.watchdog.enable();
        }
        self.watchdog.feed();
    }

    fn watchdog_ms(&self) -> Option<u32> {
        Some(WATCHDOG_MS)
    }

    fn watchdog_runs_asleep(&self) -> bool {
        false
    }

    fn reset(&mut self) -> ! {
        esp_hal::system::software_reset()
    }
}
