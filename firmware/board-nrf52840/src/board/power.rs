//! Sleep, supply, watchdog and why the board started.

use embassy_futures::block_on;
use embassy_nrf::gpio::Input;
use embassy_nrf::pac::POWER;
use embassy_nrf::saadc::{ChannelConfig, Config, Saadc};
use embassy_nrf::wdt::{Watchdog, WatchdogHandle};
use embassy_nrf::{Peri, peripherals};
use tanbo_board_api::{BrownoutError, Depth, Perf, Power, ResetCause, Supply, WakeCause, WakeMask};
use tanbo_parts::Words;
use tanbo_parts::retained::{self, BYTES};
use tanbo_parts::wake::{self, AnyOf};

use super::{Irqs, brownout};
use crate::watchdog::{self, WATCHDOG_MS};

/// Full scale of the converter, mV: 0.6 V by a gain of 1/6, in 4096 steps.
const FULL_SCALE_MV: u32 = 3_600;
/// The battery's voltage by what the divider leaves of it, in hundredths (RAK4631, "Battery level detection").
const DIVIDER_PERCENT: u32 = 173;

/// What wakes and what is measured.
pub(super) struct Pins {
    pub adc: Peri<'static, peripherals::SAADC>,
    pub battery: Peri<'static, peripherals::P0_05>,
    pub sensors: AnyOf<Input<'static>, Input<'static>>,
    pub button: Input<'static>,
}

/// The board's power. Every depth is System ON, idle: RAM is kept, the real-time counter runs, 1.5 µA and more by what else is on.
pub struct NrfPower {
    pins: Pins,
    watchdog: Option<Peri<'static, peripherals::WDT>>,
    handle: Option<WatchdogHandle>,
    cause: ResetCause,
    retained: &'static mut [u8; BYTES],
    said: Words,
}

/// Reads and clears why the board started. A supply that fell or came: both leave no reason.
pub(super) fn cause() -> ResetCause {
    let reasons = POWER.resetreas().read();
    // Ones clear.
    POWER.resetreas().write_value(reasons);
    if reasons.dog() {
        ResetCause::Watchdog
    } else if reasons.sreq() {
        ResetCause::Software
    } else if reasons.lockup() {
        ResetCause::Fault
    } else if reasons.resetpin() {
        ResetCause::Pin
    } else if reasons.off() {
        ResetCause::Wake
    } else if reasons.0 == 0 {
        ResetCause::PowerOn
    } else {
        ResetCause::Unknown
    }
}

impl NrfPower {
    pub(super) fn new(
        pins: Pins,
        watchdog: Peri<'static, peripherals::WDT>,
        cause: ResetCause,
        said: Words,
    ) -> Option<Self> {
        let retained = retained::take(cause == ResetCause::PowerOn)?;
        let cause = said.explain(cause);
        Some(Self { pins, watchdog: Some(watchdog), handle: None, cause, retained, said })
    }
}

impl Power for NrfPower {
    async fn sleep_until(&mut self, deadline_us: u64, _: Depth, wake: WakeMask) -> WakeCause {
        wake::until(deadline_us, wake, &mut self.pins.sensors, &mut self.pins.button).await
    }

    /// The core has one speed, 64 MHz.
    fn set_perf(&mut self, _: Perf) {}

    fn supply(&mut self) -> Supply {
        let channel = ChannelConfig::single_ended(self.pins.battery.reborrow());
        let mut converter = Saadc::new(self.pins.adc.reborrow(), Irqs, Config::default(), [channel]);
        let mut steps = [0];
        // 50 µs; dropped, it draws nothing.
        block_on(converter.sample(&mut steps));
        let [steps] = steps;
        let mv = u32::from(steps.max(0).unsigned_abs()) * FULL_SCALE_MV * DIVIDER_PERCENT / (4096 * 100);
        Supply { mv: u16::try_from(mv).ok(), ..Supply::default() }
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
        if let Some(watchdog) = self.watchdog.take() {
            // It may be running: the boot loader starts it, set like this.
            self.handle = Watchdog::try_new(watchdog, watchdog::config()).ok().map(|(_, [handle])| handle);
        }
        if let Some(handle) = &mut self.handle {
            handle.pet();
        }
    }

    fn watchdog_ms(&self) -> Option<u32> {
        Some(WATCHDOG_MS)
    }

    fn watchdog_runs_asleep(&self) -> bool {
        false
    }

    fn reset(&mut self) -> ! {
        cortex_m::peripheral::SCB::sys_reset()
    }
}
