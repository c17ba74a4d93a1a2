//! The SX1262 of the module: its own SPI, a TCXO of 1.8 V on DIO3, the antenna's switch on DIO2.

use embassy_nrf::gpio::{Input, Output};
use embassy_nrf::{Peri, peripherals, spim};
use embassy_time::Delay;
use embedded_hal_bus::spi::ExclusiveDevice;
use lora_phy::LoRa;
use lora_phy::iv::GenericSx126xInterfaceVariant;
use lora_phy::lorawan_radio::LorawanRadio;
use lora_phy::mod_params::RadioError;
use lora_phy::sx126x::{Config, Sx126x, Sx1262, TcxoCtrlVoltage};

use super::Irqs;

/// Greatest power, dBm; regions say less.
const POWER_DBM: u8 = 22;

type Spi = ExclusiveDevice<spim::Spim<'static>, Output<'static>, Delay>;
type Chip = Sx126x<Spi, GenericSx126xInterfaceVariant<Output<'static>, Input<'static>>, Sx1262>;
/// The radio, for [`LoraUplink`](tanbo_parts::lora::LoraUplink).
pub type NrfRadio = LorawanRadio<Chip, Delay, POWER_DBM>;

/// The radio before it is started.
pub struct Radio {
    pub(super) spi: Peri<'static, peripherals::SPI2>,
    /// Clock, from the radio, to the radio.
    pub(super) wires:
        (Peri<'static, peripherals::P1_11>, Peri<'static, peripherals::P1_13>, Peri<'static, peripherals::P1_12>),
    pub(super) select: Output<'static>,
    pub(super) reset: Output<'static>,
    pub(super) interrupt: Input<'static>,
    pub(super) busy: Input<'static>,
    /// Supply of the antenna's switch.
    pub(super) antenna: Output<'static>,
}

impl Radio {
    /// Starts the radio and lets it sleep.
    ///
    /// # Errors
    /// The radio's: it does not answer.
    pub async fn open(self) -> Result<NrfRadio, RadioError> {
        let (clock, from, to) = self.wires;
        let mut config = spim::Config::default();
        config.frequency = spim::Frequency::M8;
        let spi = spim::Spim::new(self.spi, Irqs, clock, from, to, config);
        // The pin is an output and cannot fail.
        let spi = ExclusiveDevice::new(spi, self.select, Delay).map_err(|_| RadioError::SPI)?;
        let pins = GenericSx126xInterfaceVariant::new(self.reset, self.interrupt, self.busy, None, None)?;
        let config = Config { chip: Sx1262, tcxo_ctrl: Some(TcxoCtrlVoltage::Ctrl1V8), use_dcdc: true, rx_boost: true };
        let mut radio = LoRa::new(Sx126x::new(spi, pins, config), true, Delay).await?;
        radio.sleep(true).await?;
        // Its supply stays on as long as the board runs.
        core::mem::forget(self.antenna);
        Ok(radio.into())
    }
}
