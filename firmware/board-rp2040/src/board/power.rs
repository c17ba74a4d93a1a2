//! Sleep, supply, watchdog and why the board started.

use embassy_rp::adc::{Adc, Channel, Config};
use embassy_rp::gpio::{Input, Pull};
use embassy_rp::pac::clocks::regs::{SleepEn0, SleepEn1, WakeEn0, WakeEn1};
use embassy_rp::pac::{CLOCKS, VREG_AND_CHIP_RESET};
use embassy_rp::watchdog::{ResetReason, Watchdog};
use embassy_rp::{Peri, peripherals};
use tanbo_board_api::{BrownoutError, Depth, Perf, Power, ResetCause, Supply, WakeCause, WakeMask};
use tanbo_parts::retained::{self, BYTES};
use tanbo_parts::wake::{self, AnyOf};

use crate::watchdog::WATCHDOG;

/// Full scale of the converter, mV, in 4096 steps.
const FULL_SCALE_MV: u32 = 3_300;
/// What a Pico divides VSYS by.
const DIVIDER: u32 = 3;
/// SLEEPDEEP in the system control register (ARMv6-M Architecture Reference Manual, SCR).
const SLEEP_DEEP: u32 = 1 << 2;

/// What wakes, measures and watches.
pub(super) struct Parts {
    pub adc: Peri<'static, peripherals::ADC>,
    pub battery: Peri<'static, peripherals::PIN_29>,
    pub watchdog: Peri<'static, peripherals::WATCHDOG>,
    pub sensors: AnyOf<Input<'static>, Input<'static>>,
    pub button: Input<'static>,
}

/// The board's power. `Idle` waits with all clocks on; `Stop` and `Standby` are the chip's SLEEP: the crystal runs, and of the clocks those of
/// time, pins and buses. Its DORMANT stops the crystal and with it the time.
pub struct RpPower {
    adc: Peri<'static, peripherals::ADC>,
    battery: Peri<'static, peripherals::PIN_29>,
    watchdog: Watchdog,
    fed: bool,
    sensors: AnyOf<Input<'static>, Input<'static>>,
    button: Input<'static>,
    cause: ResetCause,
    retained: &'static mut [u8; BYTES],
}

/// Clocks everything, as a chip that just started.
pub(super) fn clock_all() {
    CLOCKS.wake_en0().write_value(WakeEn0(u32::MAX));
    CLOCKS.wake_en1().write_value(WakeEn1(u32::MAX));
}

/// Stops the clocks of what the board does not use; asleep, of everything but time, pins, the watchdog and the buses that it uses.
pub(super) fn clock_parts() {
    CLOCKS.wake_en0().modify(|w| {
        w.set_clk_sys_i2c1(false);
        w.set_clk_sys_jtag(false);
        w.set_clk_sys_pio0(false);
        w.set_clk_sys_pio1(false);
        w.set_clk_sys_pwm(false);
        w.set_clk_rtc_rtc(false);
        w.set_clk_sys_rtc(false);
    });
    CLOCKS.wake_en1().modify(|w| {
        w.set_clk_peri_uart0(false);
        w.set_clk_sys_uart0(false);
        w.set_clk_peri_uart1(false);
        w.set_clk_sys_uart1(false);
        w.set_clk_sys_usbctrl(false);
        w.set_clk_usb_usbctrl(false);
    });
    let mut first = SleepEn0(0);
    first.set_clk_sys_i2c0(true);
    first.set_clk_sys_io(true);
    first.set_clk_sys_pads(true);
    first.set_clk_peri_spi0(true);
    first.set_clk_sys_spi0(true);
    first.set_clk_peri_spi1(true);
    first.set_clk_sys_spi1(true);
    CLOCKS.sleep_en0().write_value(first);
    let mut second = SleepEn1(0);
    second.set_clk_sys_timer(true);
    second.set_clk_sys_watchdog(true);
    CLOCKS.sleep_en1().write_value(second);
}

/// Clocks the UART, asleep too.
pub(super) fn clock_uart() {
    CLOCKS.wake_en1().modify(|w| {
        w.set_clk_peri_uart0(true);
        w.set_clk_sys_uart0(true);
    });
    CLOCKS.sleep_en1().modify(|w| {
        w.set_clk_peri_uart0(true);
        w.set_clk_sys_uart0(true);
    });
}

/// Why the board started. A supply that fell or came: both are one flag.
fn cause(watchdog: &Watchdog) -> ResetCause {
    let chip = VREG_AND_CHIP_RESET.chip_reset().read();
    match watchdog.reset_reason() {
        Some(ResetReason::Forced) => ResetCause::Software,
        Some(ResetReason::TimedOut) => ResetCause::Watchdog,
        None if chip.had_por() => ResetCause::PowerOn,
        None if chip.had_run() => ResetCause::Pin,
        None => ResetCause::Unknown,
    }
}

/// Lets the chip go to SLEEP, until it is dropped.
struct Deep;

impl Deep {
    fn new() -> Self {
        set_deep(true);
        Self
    }
}

impl Drop for Deep {
    fn drop(&mut self) {
        set_deep(false);
    }
}

fn set_deep(on: bool) {
    // SAFETY: a register of the core, written by this alone and not in an interrupt; the bit changes how it sleeps, not what memory holds.
    unsafe {
        (*cortex_m::peripheral::SCB::PTR).scr.modify(|scr| if on { scr | SLEEP_DEEP } else { scr & !SLEEP_DEEP });
    }
}

impl RpPower {
    pub(super) fn new(parts: Parts) -> Option<Self> {
        let Parts { adc, battery, watchdog, sensors, button } = parts;
        let watchdog = Watchdog::new(watchdog);
        let cause = cause(&watchdog);
        let retained = retained::take(cause == ResetCause::PowerOn)?;
        Some(Self { adc, battery, watchdog, fed: false, sensors, button, cause, retained })
    }
}

impl Power for RpPower {
    async fn sleep_until(&mut self, deadline_us: u64, max_depth: Depth, wake: WakeMask) -> WakeCause {
        let _deep = (max_depth > Depth::Idle).then(Deep::new);
        wake::until(deadline_us, wake, &mut self.sensors, &mut self.button).await
    }

    /// The core has one speed, 12 MHz.
    fn set_perf(&mut self, _: Perf) {}

    fn supply(&mut self) -> Supply {
        let mut converter = Adc::new_blocking(self.adc.reborrow(), Config::default());
        let mut channel = Channel::new_pin(self.battery.reborrow(), Pull::None);
        let steps = converter.blocking_read(&mut channel).ok();
        let mv = steps.map(|steps| u32::from(steps) * FULL_SCALE_MV * DIVIDER / 4096);
        Supply { mv: mv.and_then(|mv| u16::try_from(mv).ok()), ..Supply::default() }
    }

    /// The chip's detector only resets.
    fn on_brownout(&mut self, _: &[u8]) -> Result<(), BrownoutError> {
        Err(BrownoutError::Unsupported)
    }

    fn last_words(&mut self) -> &[u8] {
        &[]
    }

    fn reset_cause(&self) -> ResetCause {
        self.cause
    }

    fn retained(&mut self) -> &mut [u8] {
        self.retained
    }

    fn feed_watchdog(&mut self) {
        if self.fed {
            self.watchdog.feed(WATCHDOG);
        } else {
            self.watchdog.pause_on_debug(true);
            self.watchdog.start(WATCHDOG);
            self.fed = true;
        }
    }

    fn watchdog_ms(&self) -> Option<u32> {
        Some(WATCHDOG.as_millis() as u32)
    }

    fn reset(&mut self) -> ! {
        self.watchdog.trigger_reset();
        loop {
            cortex_m::asm::nop();
        }
    }
}
