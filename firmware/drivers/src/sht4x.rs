//! SHT4x, temperature and humidity of the air, as a [`Sensor`].
//!
//! Commands, pauses and checksums by the crate `sht4x`; here the unit conversion of the data sheet (version 6.6, 4.6) in integers.

use embedded_hal_async::{delay::DelayNs, i2c::I2c};
pub use sht4x::Address;
use sht4x::{Error, Precision, SensorData, Sht4xAsync};
use tanbo_board_api::{Burst, Channel, Format, Mode, Quantity, Sensor};

use crate::{DriverError, on_demand, scale};

/// Hundredths of a degree; ten-thousandths of saturation.
const CHANNELS: [Channel; 2] = [
    Channel { quantity: Quantity::Temperature, exponent: -2, min: -4_500, max: 13_000 },
    Channel { quantity: Quantity::Humidity, exponent: -4, min: 0, max: 10_000 },
];
/// Steps of full scale.
const STEPS: i64 = u16::MAX as i64;

/// The chip, which measures when it is read, with high repeatability, and sleeps by itself.
#[derive(Debug)]
pub struct Sht4x<I, D> {
    chip: Sht4xAsync<I, D>,
    delay: D,
    on: bool,
}

impl<I: I2c, D: DelayNs> Sht4x<I, D> {
    /// Finds the chip by its serial number's checksum.
    ///
    /// # Errors
    /// [`DriverError::Corrupt`], [`DriverError::Bus`].
    pub async fn new(bus: I, mut delay: D, address: Address) -> Result<Self, DriverError> {
        let mut chip = Sht4xAsync::new_with_address(bus, address);
        chip.serial_number(&mut delay).await.map_err(failed)?;
        Ok(Self { chip, delay, on: false })
    }

    /// Returns the bus.
    pub fn release(self) -> I {
        self.chip.destroy()
    }
}

/// Returns hundredths of a degree and ten-thousandths of saturation; beyond 0 and 100 % the chip's line goes on, and is cut.
fn convert(raw: SensorData) -> [i32; 2] {
    let temperature = scale::divide(17_500 * i64::from(raw.temperature) - 4_500 * STEPS, STEPS);
    let humidity = scale::divide(12_500 * i64::from(raw.humidity) - 600 * STEPS, STEPS);
    [temperature as i32, humidity.clamp(0, 10_000) as i32]
}

fn failed<E: embedded_hal_async::i2c::Error>(error: Error<E>) -> DriverError {
    match error {
        Error::I2c(error) => DriverError::i2c(error),
        _ => DriverError::Corrupt,
    }
}

impl<I: I2c, D: DelayNs> Sensor for Sht4x<I, D> {
    type Error = DriverError;

    fn format(&self) -> Format {
        on_demand::format(&CHANNELS)
    }

    async fn set_mode(&mut self, mode: Mode) -> Result<(), DriverError> {
        self.on = on_demand::measures(mode)?;
        Ok(())
    }

    async fn read(&mut self, into: &mut [i32]) -> Result<Burst, DriverError> {
        let Some(into) = into.first_chunk_mut::<2>().filter(|_| self.on) else { return Ok(Burst::default()) };
        *into = convert(self.chip.measure_raw(Precision::High, &mut self.delay).await.map_err(failed)?);
        Ok(Burst { readings: 1, lost: false })
    }
}

#[cfg(test)]
mod tests {
    use super::{SensorData, convert};

    #[test]
    fn ends_of_the_scale() {
        assert_eq!(convert(SensorData { temperature: 0, humidity: 0 }), [-4_500, 0]);
        assert_eq!(convert(SensorData { temperature: u16::MAX, humidity: u16::MAX }), [13_000, 10_000]);
        // 25 °C is 0.4 of the scale; 50 % is 0.448, 29359.68 steps.
        assert_eq!(convert(SensorData { temperature: 26_214, humidity: 29_360 }), [2_500, 5_000]);
    }
}
