//! MAX17048, the fuel gauge of a lithium cell: what a board with one answers to `Power::supply`.
//!
//! Registers by the crate `max170xx`; "MAX17048/MAX17049", data sheet Rev. 7, for the version and the ranges.

use embedded_hal_async::i2c::I2c;
use max170xx::{Error, Max17048};
use tanbo_board_api::Supply;

use crate::DriverError;

/// Production version without its revision, the lower four bits.
const VERSION: u16 = 0x0010;
/// Greatest voltage of the cell, mV: the data sheet's 4.5 V of supply, and 10 % of what noise may add.
const MAX_MV: i32 = 4_950;

/// The gauge.
#[derive(Debug)]
pub struct FuelGauge<I> {
    chip: Max17048<I>,
}

impl<I: I2c> FuelGauge<I> {
    /// Finds the gauge. It measures by itself, at 23 µA; its charge is right a second after the cell was put in.
    ///
    /// # Errors
    /// [`DriverError::Identity`], [`DriverError::Bus`].
    pub async fn new(bus: I) -> Result<Self, DriverError> {
        let mut chip = Max17048::new(bus);
        let found = chip.version().await.map_err(failed)?;
        if found & 0xfff0 != VERSION {
            return Err(DriverError::Identity { expected: VERSION.into(), found: found.into() });
        }
        Ok(Self { chip })
    }

    /// Returns the bus.
    pub fn release(self) -> I {
        self.chip.destroy()
    }

    /// Reads voltage and charge. The gauge knows no trend in millivolts and no harvest.
    ///
    /// # Errors
    /// [`DriverError::Corrupt`] for a voltage that no cell has, [`DriverError::Bus`].
    pub async fn supply(&mut self) -> Result<Supply, DriverError> {
        // Non-negative and far from the ends of i32: a cast after adding a half rounds.
        let mv = (self.chip.voltage().await.map_err(failed)? * 1000.0 + 0.5) as i32;
        let permille = (self.chip.soc().await.map_err(failed)? * 10.0 + 0.5) as i32;
        if !(0..=MAX_MV).contains(&mv) {
            return Err(DriverError::Corrupt);
        }
        // The model overshoots: 101 % and more are read on a charger.
        let permille = permille.clamp(0, 1000);
        Ok(Supply { mv: u16::try_from(mv).ok(), charge_permille: u16::try_from(permille).ok(), ..Supply::default() })
    }
}

fn failed<E: embedded_hal_async::i2c::Error>(error: Error<E>) -> DriverError {
    match error {
        Error::I2C(error) => DriverError::i2c(error),
        Error::InvalidInputData => DriverError::Range,
    }
}
