//! An SX1262 as modules carry it: the antenna's switch on DIO2.

use embassy_time::Delay;
use embedded_hal::digital::OutputPin;
use embedded_hal_async::digital::Wait;
use embedded_hal_async::spi::SpiDevice;
use lora_phy::LoRa;
use lora_phy::iv::GenericSx126xInterfaceVariant;
use lora_phy::lorawan_radio::LorawanRadio;
use lora_phy::mod_params::RadioError;
pub use lora_phy::sx126x::TcxoCtrlVoltage;
use lora_phy::sx126x::{Config, Sx126x, Sx1262};

use crate::Start;

/// Greatest power, dBm; regions say less.
const POWER_DBM: u8 = 22;

/// The radio before it is started: SPI with its select line, outputs `O`, inputs `I`.
pub struct Radio<S, O, I> {
    /// Up to 16 MHz, mode 0.
    pub spi: S,
    /// Resets it while low.
    pub reset: O,
    /// DIO1.
    pub interrupt: I,
    /// High while it takes no command.
    pub busy: I,
    /// What DIO3 feeds a TCXO with; `None` for a crystal.
    pub tcxo: Option<TcxoCtrlVoltage>,
    /// Whether the module has the coil of the radio's DC/DC converter.
    pub converter: bool,
}

impl<S: SpiDevice, O: OutputPin, I: Wait> Start for Radio<S, O, I> {
    type Started = LorawanRadio<Sx126x<S, GenericSx126xInterfaceVariant<O, I>, Sx1262>, Delay, POWER_DBM>;
    type Error = RadioError;

    /// Starts the radio and lets it sleep.
    async fn start(self) -> Result<Self::Started, RadioError> {
        let pins = GenericSx126xInterfaceVariant::new(self.reset, self.interrupt, self.busy, None, None)?;
        let config = Config { chip: Sx1262, tcxo_ctrl: self.tcxo, use_dcdc: self.converter, rx_boost: true };
        let mut radio = LoRa::new(Sx126x::new(self.spi, pins, config), true, Delay).await?;
        radio.sleep(true).await?;
        Ok(radio.into())
    }
}
