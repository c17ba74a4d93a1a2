//! Sleep, supply, watchdog and why the board started.

use core::marker::PhantomData;

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

/// Time that the watchdog waits, ms: it runs by its own oscillator of 32 kHz, in every sleep too.
pub const WATCHDOG_MS: u32 = 30_000;
/// Shortest pause for which the core is stopped, µs: the real-time clock counts in steps of 4 ms meanwhile.
const STOP_US: u64 = 20_000;

/// What chips have differently.
pub trait StmPart {
    /// Supply of which [`StmPart::reference_steps`] tells, mV.
    const REFERENCE_MV: u32;

    /// Returns what the converter reads of the chip's reference at [`StmPart::REFERENCE_MV`], as the factory measured it.
    fn reference_steps() -> u32;

    /// Sets what the interrupt of a falling supply writes.
    ///
    /// # Errors
    /// [`BrownoutError`].
    fn arm(last_words: &[u8]) -> Result<(), BrownoutError>;
}

type Sensors = AnyOf<ExtiInput<'static, Async>, ExtiInput<'static, Async>>;

/// What wakes, measures and watches.
pub struct Parts {
    /// The converter that measures the supply.
    pub adc: Peri<'static, ADC1>,
    /// The independent watchdog.
    pub watchdog: Peri<'static, IWDG>,
    /// The sensors' interrupts.
    pub sensors: Sensors,
    /// High while it is pressed.
    pub button: ExtiInput<'static, Async>,
}

/// The board's power. `Idle` waits for an interrupt at full clocks; `Stop` and `Standby` are Stop 2, or Stop 1 while a peripheral is set up
/// that does not work in Stop 2: embassy's low-power executor knows.
pub struct StmPower<P> {
    adc: Peri<'static, ADC1>,
    watchdog: Watchdog,
    sensors: Sensors,
    button: ExtiInput<'static, Async>,
    /// As long as it is there, the core is not stopped.
    awake: Option<WakeGuard>,
    cause: ResetCause,
    retained: &'static mut [u8; BYTES],
    said: Words,
    part: PhantomData<P>,
}

/// The watchdog before it is fed first, and after.
enum Watchdog {
    Off(Option<Peri<'static, IWDG>>),
    On(IndependentWatchdog<'static, IWDG>),
}

/// Reads and clears why the board started.
fn cause() -> ResetCause {
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

impl<P> StmPower<P> {
    /// Returns the board's power, with the `said` last words; `None` if there is one already.
    pub fn new(parts: Parts, said: Words) -> Option<Self> {
        let Parts { adc, watchdog, sensors, button } = parts;
        let cause = cause();
        let retained = retained::take(cause == ResetCause::PowerOn)?;
        let cause = said.explain(cause);
        let (watchdog, awake) = (Watchdog::Off(Some(watchdog)), Some(WakeGuard::new(StopMode::Stop1)));
        Some(Self { adc, watchdog, sensors, button, awake, cause, retained, said, part: PhantomData })
    }
}

impl<P: StmPart> Power for StmPower<P> {
    async fn sleep_until(&mut self, deadline_us: u64, max_depth: Depth, wake: WakeMask) -> WakeCause {
        let Self { sensors, button, awake, .. } = self;
        let long = deadline_us.saturating_sub(Instant::now().as_micros()) >= STOP_US;
        let _stopped = (max_depth > Depth::Idle && long).then(|| Stopped::new(awake));
        wake::until(deadline_us, wake, sensors, button).await
    }

    /// The core has one speed, that of its oscillator when it wakes up.
    fn set_perf(&mut self, _: Perf) {}

    /// Of the chip itself: on a board without a regulator the battery's.
    fn supply(&mut self) -> Supply {
        let mut converter = Adc::new(self.adc.reborrow());
        let mut reference = converter.enable_vrefint();
        // The longest: on the STM32U5's converter, whose times the chip's description takes for its little brother's, 814 cycles.
        let steps = u32::from(converter.blocking_read(&mut reference, SampleTime::CYCLES160_5));
        let mv = (P::REFERENCE_MV * P::reference_steps()).checked_div(steps);
        Supply { mv: mv.and_then(|mv| u16::try_from(mv).ok()), ..Supply::default() }
    }

    fn on_brownout(&mut self, last_words: &[u8]) -> Result<(), BrownoutError> {
        P::arm(last_words)
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
