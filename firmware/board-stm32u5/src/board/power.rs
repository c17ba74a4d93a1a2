//! Sleep, supply, watchdog and why the board started.

use embassy_stm32::Peri;
use embassy_stm32::adc::{Adc, SampleTime};
use embassy_stm32::exti::ExtiInput;
use embassy_stm32::mode::Async;
use embassy_stm32::pac::RCC;
use embassy_stm32::peripherals::{ADC1, IWDG};
use embassy_stm32::rcc::{StopMode, WakeGuard};
use embassy_stm32::wdg::IndependentWatchdog;
use embassy_time::Instant;
use tanbo_board_api::{BrownoutError, Depth, Perf, Power, ResetCause, Supply, WakeCause, WakeMask};
use tanbo_parts::Words;
use tanbo_parts::retained::{self, BYTES};
use tanbo_parts::wake::{self, AnyOf};

use super::brownout;

/// Time that the watchdog waits, ms: it runs by its own oscillator of 32 kHz, in every sleep too.
const WATCHDOG_MS: u32 = 30_000;
/// Shortest pause for which the core is stopped, µs: the real-time clock counts in steps of 4 ms meanwhile.
const STOP_US: u64 = 20_000;
/// Where the factory left what the converter reads of its reference at 3 V, in 14 bits (DS13737, embedded voltage reference): an odd address.
const REFERENCE_AT: usize = 0x0bfa_07a5;
const REFERENCE_MV: u32 = 3_000;

type Sensors = AnyOf<ExtiInput<'static, Async>, ExtiInput<'static, Async>>;

/// What wakes, measures and watches.
pub(super) struct Parts {
    pub adc: Peri<'static, ADC1>,
    pub watchdog: Peri<'static, IWDG>,
    pub sensors: Sensors,
    pub button: ExtiInput<'static, Async>,
}

/// The board's power. `Idle` waits for an interrupt at full clocks; `Stop` and `Standby` are Stop 2, or Stop 1 while a peripheral is set up
/// that does not work in Stop 2: embassy's low-power executor knows.
pub struct U5Power {
    adc: Peri<'static, ADC1>,
    watchdog: Watchdog,
    sensors: Sensors,
    button: ExtiInput<'static, Async>,
    /// As long as it is there, the core is not stopped.
    awake: Option<WakeGuard>,
    cause: ResetCause,
    retained: &'static mut [u8; BYTES],
    said: Words,
}

/// The watchdog before it is fed first, and after.
enum Watchdog {
    Off(Option<Peri<'static, IWDG>>),
    On(IndependentWatchdog<'static, IWDG>),
}

/// Reads and clears why the board started.
pub(super) fn cause() -> ResetCause {
    let flags = RCC.csr().read();
    RCC.csr().modify(|w| w.set_rmvf(true));
    if flags.iwdgrstf() || flags.wwdgrstf() {
        ResetCause::Watchdog
    } else if flags.sftrstf() {
        ResetCause::Software
    } else if flags.borrstf() {
        // A supply that fell or came: both set it.
        ResetCause::PowerOn
    } else if flags.pinrstf() {
        ResetCause::Pin
    } else {
        ResetCause::Unknown
    }
}

/// Lets the core be stopped until it is dropped.
struct Stopped<'a>(&'a mut Option<WakeGuard>);

impl<'a> Stopped<'a> {
    fn new(awake: &'a mut Option<WakeGuard>) -> Self {
        *awake = None;
        Self(awake)
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        *self.0 = Some(WakeGuard::new(StopMode::Stop1));
    }
}

impl U5Power {
    pub(super) fn new(parts: Parts, cause: ResetCause, said: Words) -> Option<Self> {
        let Parts { adc, watchdog, sensors, button } = parts;
        let retained = retained::take(cause == ResetCause::PowerOn)?;
        // Whoever left last words saw the supply fall.
        let fell = cause == ResetCause::PowerOn && !said.is_empty();
        let cause = if fell { ResetCause::BrownOut } else { cause };
        let (watchdog, awake) = (Watchdog::Off(Some(watchdog)), Some(WakeGuard::new(StopMode::Stop1)));
        Some(Self { adc, watchdog, sensors, button, awake, cause, retained, said })
    }
}

impl Power for U5Power {
    async fn sleep_until(&mut self, deadline_us: u64, max_depth: Depth, wake: WakeMask) -> WakeCause {
        let Self { sensors, button, awake, .. } = self;
        let long = deadline_us.saturating_sub(Instant::now().as_micros()) >= STOP_US;
        let _stopped = (max_depth > Depth::Idle && long).then(|| Stopped::new(awake));
        wake::until(deadline_us, wake, sensors, button).await
    }

    /// The core has one speed, 24 MHz: the fastest that it wakes up with.
    fn set_perf(&mut self, _: Perf) {}

    /// Of the chip itself: on a board without a regulator the battery's.
    fn supply(&mut self) -> Supply {
        let mut converter = Adc::new(self.adc.reborrow());
        let mut reference = converter.enable_vrefint();
        // The longest: 814 cycles on this converter, whose times the chip's description takes for its little brother's.
        let steps = u32::from(converter.blocking_read(&mut reference, SampleTime::CYCLES160_5));
        // SAFETY: two bytes of the chip's system memory, which can be read and never changes.
        let at_3v = unsafe { core::ptr::with_exposed_provenance::<[u8; 2]>(REFERENCE_AT).read() };
        let mv = (REFERENCE_MV * u32::from(u16::from_le_bytes(at_3v))).checked_div(steps);
        Supply { mv: mv.and_then(|mv| u16::try_from(mv).ok()), ..Supply::default() }
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
        match &mut self.watchdog {
            Watchdog::On(watchdog) => watchdog.pet(),
            Watchdog::Off(peripheral) => {
                if let Some(peripheral) = peripheral.take() {
                    let mut watchdog = IndependentWatchdog::new(peripheral, WATCHDOG_MS * 1000);
                    watchdog.unleash();
                    self.watchdog = Watchdog::On(watchdog);
                }
            }
        }
    }

    fn watchdog_ms(&self) -> Option<u32> {
        Some(WATCHDOG_MS)
    }

    fn reset(&mut self) -> ! {
        cortex_m::peripheral::SCB::sys_reset()
    }
}
