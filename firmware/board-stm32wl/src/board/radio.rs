//! The radio on the chip: an SX126x behind an SPI, a reset and a busy line that are registers; a TCXO of 1.7 V; the antenna's switch on PA4
//! and PA5, high-power output only (Seeed, "LoRa-E5 module").

use core::convert::Infallible;

use cortex_m_rt::interrupt;
use embassy_stm32::gpio::Output;
use embassy_stm32::interrupt::{self, InterruptExt as _};
use embassy_stm32::mode::Async;
use embassy_stm32::pac::{EXTI, PWR, RCC};
use embassy_stm32::spi::{Spi, mode::Master};
use embassy_stm32::{Peri, peripherals};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::Delay;
use embedded_hal::digital::{ErrorType, OutputPin};
use embedded_hal_async::delay::DelayNs;
use embedded_hal_bus::spi::ExclusiveDevice;
use lora_phy::LoRa;
use lora_phy::lorawan_radio::LorawanRadio;
use lora_phy::mod_params::RadioError;
use lora_phy::mod_traits::InterfaceVariant;
use lora_phy::sx126x::{Config, Stm32wl, Sx126x, TcxoCtrlVoltage};
use tanbo_field::Start;

use super::Irqs;

/// Greatest power, dBm; regions say less.
const POWER_DBM: u8 = 22;
/// The radio's interrupt among the lines that wake the core from a stop: line 44, in the second register (RM0453, EXTI).
const LINE: usize = 44 - 32;

type Chip = Sx126x<ExclusiveDevice<Spi<'static, Async, Master>, Select, Delay>, Lines, Stm32wl>;
/// The radio at work.
pub type WlRadio = LorawanRadio<Chip, Delay, POWER_DBM>;

static INTERRUPT: Signal<CriticalSectionRawMutex, ()> = Signal::new();

#[interrupt]
fn SUBGHZ_RADIO() {
    // The line stays up until the radio is asked what it was: off until somebody waits again.
    interrupt::SUBGHZ_RADIO.disable();
    INTERRUPT.signal(());
}

/// The radio before it is started.
pub struct Radio {
    pub(super) spi: Peri<'static, peripherals::SUBGHZSPI>,
    pub(super) dma: (Peri<'static, peripherals::DMA1_CH3>, Peri<'static, peripherals::DMA1_CH4>),
    pub(super) receives: Output<'static>,
    pub(super) sends: Output<'static>,
}

impl Start for Radio {
    type Started = WlRadio;
    type Error = RadioError;

    /// Starts the radio and lets it sleep.
    async fn start(self) -> Result<WlRadio, RadioError> {
        let spi = Spi::new_subghz(self.spi, self.dma.0, self.dma.1, Irqs);
        let spi = ExclusiveDevice::new(spi, Select, Delay).map_err(|_| RadioError::SPI)?;
        EXTI.imr(1).modify(|w| w.set_line(LINE, true));
        let lines = Lines { receives: self.receives, sends: self.sends };
        let config = Config {
            chip: Stm32wl { use_high_power_pa: true },
            tcxo_ctrl: Some(TcxoCtrlVoltage::Ctrl1V7),
            use_dcdc: true,
            rx_boost: true,
        };
        let mut radio = LoRa::new(Sx126x::new(spi, lines, config), true, Delay).await?;
        radio.sleep(true).await?;
        Ok(radio.into())
    }
}

/// The select line of the radio's SPI.
pub struct Select;

impl ErrorType for Select {
    type Error = Infallible;
}

impl OutputPin for Select {
    fn set_low(&mut self) -> Result<(), Infallible> {
        PWR.subghzspicr().modify(|w| w.set_nss(false));
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        PWR.subghzspicr().modify(|w| w.set_nss(true));
        Ok(())
    }
}

/// The other lines of the radio, and the antenna's switch.
pub struct Lines {
    receives: Output<'static>,
    sends: Output<'static>,
}

impl InterfaceVariant for Lines {
    async fn reset(&mut self, delay: &mut impl DelayNs) -> Result<(), RadioError> {
        RCC.csr().modify(|w| w.set_rfrst(true));
        delay.delay_ms(1).await;
        RCC.csr().modify(|w| w.set_rfrst(false));
        delay.delay_ms(1).await;
        Ok(())
    }

    /// At most 3.5 ms, after a calibration.
    async fn wait_on_busy(&mut self) -> Result<(), RadioError> {
        while PWR.sr2().read().rfbusys() {}
        Ok(())
    }

    async fn await_irq(&mut self) -> Result<(), RadioError> {
        // SAFETY: the handler signals and disables itself, nothing else.
        unsafe { interrupt::SUBGHZ_RADIO.enable() };
        INTERRUPT.wait().await;
        Ok(())
    }

    async fn enable_rf_switch_rx(&mut self) -> Result<(), RadioError> {
        self.sends.set_low();
        self.receives.set_high();
        Ok(())
    }

    async fn enable_rf_switch_tx(&mut self) -> Result<(), RadioError> {
        self.receives.set_low();
        self.sends.set_high();
        Ok(())
    }

    async fn disable_rf_switch(&mut self) -> Result<(), RadioError> {
        self.receives.set_low();
        self.sends.set_low();
        Ok(())
    }
}
