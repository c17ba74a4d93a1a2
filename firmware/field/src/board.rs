//! A board: its parts, whatever their types.

use core::convert::Infallible;
use core::fmt;

use embedded_hal::digital::OutputPin;
use embedded_hal_async::i2c::I2c;
use embedded_hal_async::spi::SpiDevice;
use embedded_storage::nor_flash::NorFlash;
use tanbo_board_api::{Power, Uplink};
use tanbo_flash_map::FlashMap;
#[cfg(feature = "boot")]
use tanbo_flash_map::Updates;
use tanbo_parts::TickClock;
use tanbo_parts::flash::InPlace;
#[cfg(feature = "lora")]
use tanbo_parts::lora::{PhyRxTx, Timings};

/// The types of a board's parts, and the parts.
pub trait Chip: Sized {
    /// Sleep, supply, last words, watchdog.
    type Power: Power;
    /// Flash for several users, by offsets from its start.
    type Flash: InPlace + NorFlash + Clone;
    /// A device on the accelerometers' SPI.
    type Spi: SpiDevice;
    /// The other sensors' I²C.
    type I2c: I2c;
    /// A pin that switches something.
    type Output: OutputPin<Error = Infallible>;
    /// The UART.
    type Uart: Start<Started: Uplink>;
    /// The radio.
    #[cfg(feature = "lora")]
    type Radio: Start<Started: PhyRxTx<PhyError: fmt::Debug> + Timings>;

    /// What lies where.
    const MAP: &'static FlashMap;
    /// Whether flash has room for few operators beside the node: `FEW` of `tanbo_release::operators` instead of `MANY`.
    const SMALL: bool = false;

    /// What the boot loader swaps.
    #[cfg(feature = "boot")]
    const UPDATES: &'static Updates;

    /// Starts the board; `None` if its memory does not work, or if it was started before.
    fn take() -> Option<Board<Self>>;
}

/// A part that draws nothing before it is started.
pub trait Start {
    /// The part at work.
    type Started;
    /// Why it does not work.
    type Error: fmt::Debug;

    /// Starts it.
    ///
    /// # Errors
    /// The part's: it does not answer, or cannot be set as it must be.
    async fn start(self) -> Result<Self::Started, Self::Error>;
}

/// All parts of a board, once.
pub struct Board<C: Chip> {
    /// Time.
    pub clock: TickClock,
    /// Sleep, supply, last words, watchdog.
    pub power: C::Power,
    /// Flash: model slots, identity and store are of it, each where `MAP` says.
    pub flash: C::Flash,
    /// The accelerometers: the ADXL355, the ADXL362.
    pub spi: (C::Spi, C::Spi),
    /// The other sensors' bus.
    pub i2c: C::I2c,
    /// Supply of the sensors: on while this is high.
    pub sensors: C::Output,
    /// The UART, off.
    pub uart: C::Uart,
    /// The radio, not started.
    #[cfg(feature = "lora")]
    pub radio: C::Radio,
    /// Random, by noise.
    pub seed: u64,
}
