//! MS5837, a pressure sensor under gel for water levels: 30 bar (30BA) and 2 bar (02BA).
//!
//! Commands and arithmetic: TE Connectivity, "MS5837-30BA" (Rev. A8) and "MS5837-02BA" (Rev. A5), figures on pressure and
//! temperature calculation and second order compensation; the checksum is that of the application note AN520. `ms5837` 0.2 is on
//! embedded-hal 0.2.

use embedded_hal_async::delay::DelayNs;
use embedded_hal_async::i2c::I2c;
use tanbo_board_api::{Burst, Channel, Format, Mode, Quantity, Sensor};

use crate::{DriverError, on_demand, scale};

/// The chip's only address.
pub const ADDRESS: u8 = 0x76;

mod command {
    pub const ADC_READ: u8 = 0x00;
    pub const RESET: u8 = 0x1e;
    /// At the greatest oversampling, 8192.
    pub const CONVERT_PRESSURE: u8 = 0x4a;
    pub const CONVERT_TEMPERATURE: u8 = 0x5a;
    pub const PROM: u8 = 0xa0;
}

/// Time from a reset to the loaded PROM, µs.
const RESET_US: u32 = 2_800;
/// Longest conversion at oversampling 8192, µs.
const CONVERSION_US: u32 = 18_080;

/// Which chip it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// 30 bar; pressure in 10 Pa (0.1 mbar).
    Ba30,
    /// 2 bar; pressure in Pa (0.01 mbar).
    Ba02,
}

const TEMPERATURE: Channel = Channel { quantity: Quantity::Temperature, exponent: -2, min: -4_000, max: 8_500 };

impl Model {
    const fn channels(self) -> &'static [Channel] {
        const fn pressure(exponent: i8, max: i32) -> Channel {
            Channel { quantity: Quantity::Pressure, exponent, min: 0, max }
        }
        const BA30: [Channel; 2] = [pressure(1, 300_000), TEMPERATURE];
        const BA02: [Channel; 2] = [pressure(0, 200_000), TEMPERATURE];
        match self {
            Self::Ba30 => &BA30,
            Self::Ba02 => &BA02,
        }
    }
}

/// The calibration in the chip's PROM: C1 to C6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calibration(pub [u16; 6]);

impl Calibration {
    /// Returns the calibration in the seven words of a PROM.
    ///
    /// # Errors
    /// [`DriverError::Corrupt`] if the checksum is another one.
    pub fn read(prom: [u16; 7]) -> Result<Self, DriverError> {
        let [first, words @ ..] = prom;
        if crc4(&prom) != (first >> 12) as u8 {
            return Err(DriverError::Corrupt);
        }
        Ok(Self(words))
    }

    /// Returns pressure in the model's unit and temperature in hundredths of a degree, from the two raw values.
    pub fn compensate(&self, model: Model, raw_pressure: u32, raw_temperature: u32) -> [i32; 2] {
        let [c1, c2, c3, c4, c5, c6] = self.0.map(i64::from);
        let (d1, d2) = (i64::from(raw_pressure), i64::from(raw_temperature));
        // Names and shifts as in the datasheet.
        let dt = d2 - (c5 << 8);
        let temp = 2000 + ((dt * c6) >> 23);
        let (mut off, mut sens) = match model {
            Model::Ba30 => ((c2 << 16) + ((c4 * dt) >> 7), (c1 << 15) + ((c3 * dt) >> 8)),
            Model::Ba02 => ((c2 << 17) + ((c4 * dt) >> 6), (c1 << 16) + ((c3 * dt) >> 7)),
        };
        let below_20 = (temp - 2000) * (temp - 2000);
        let below_minus_15 = (temp + 1500) * (temp + 1500);
        let (ti, offi, sensi) = match (model, temp < 2000) {
            (Model::Ba30, true) if temp < -1500 => (
                (3 * dt * dt) >> 33,
                ((3 * below_20) >> 1) + 7 * below_minus_15,
                ((5 * below_20) >> 3) + 4 * below_minus_15,
            ),
            (Model::Ba30, true) => ((3 * dt * dt) >> 33, (3 * below_20) >> 1, (5 * below_20) >> 3),
            (Model::Ba30, false) => ((2 * dt * dt) >> 37, below_20 >> 4, 0),
            (Model::Ba02, true) => ((11 * dt * dt) >> 35, (31 * below_20) >> 3, (63 * below_20) >> 5),
            (Model::Ba02, false) => (0, 0, 0),
        };
        off -= offi;
        sens -= sensi;
        let pressure = match model {
            Model::Ba30 => (((d1 * sens) >> 21) - off) >> 13,
            Model::Ba02 => (((d1 * sens) >> 21) - off) >> 15,
        };
        [pressure as i32, (temp - ti) as i32]
    }
}

/// AN520: the code of a PROM, its own place taken for zero.
fn crc4(prom: &[u16; 7]) -> u8 {
    let [first, rest @ ..] = *prom;
    let words = core::iter::once(first & 0x0fff).chain(rest).chain([0]);
    remainder(words)
}

/// AN520: the loop over eight words.
fn remainder(words: impl Iterator<Item = u16>) -> u8 {
    let mut remainder: u16 = 0;
    for byte in words.flat_map(u16::to_be_bytes) {
        remainder ^= u16::from(byte);
        for _ in 0..8 {
            remainder = if remainder & 0x8000 != 0 { (remainder << 1) ^ 0x3000 } else { remainder << 1 };
        }
    }
    (remainder >> 12) as u8
}

/// The chip.
#[derive(Debug)]
pub struct Ms5837<I, D> {
    bus: I,
    delay: D,
    model: Model,
    calibration: Calibration,
    on: bool,
}

impl<I: I2c, D: DelayNs> Ms5837<I, D> {
    /// Resets the chip and reads its calibration.
    ///
    /// # Errors
    /// [`DriverError::Corrupt`], [`DriverError::Bus`].
    pub async fn new(mut bus: I, mut delay: D, model: Model) -> Result<Self, DriverError> {
        bus.write(ADDRESS, &[command::RESET]).await.map_err(DriverError::i2c)?;
        delay.delay_us(RESET_US).await;
        let mut prom = [0; 7];
        for (word, number) in prom.iter_mut().zip(0..) {
            let mut bytes = [0; 2];
            bus.write_read(ADDRESS, &[command::PROM + 2 * number], &mut bytes).await.map_err(DriverError::i2c)?;
            *word = u16::from_be_bytes(bytes);
        }
        Ok(Self { bus, delay, model, calibration: Calibration::read(prom)?, on: false })
    }

    /// Returns the bus.
    pub fn release(self) -> I {
        self.bus
    }

    async fn convert(&mut self, what: u8) -> Result<u32, DriverError> {
        self.bus.write(ADDRESS, &[what]).await.map_err(DriverError::i2c)?;
        self.delay.delay_us(CONVERSION_US).await;
        let mut value = [0; 3];
        self.bus.write_read(ADDRESS, &[command::ADC_READ], &mut value).await.map_err(DriverError::i2c)?;
        let [high, middle, low] = value;
        // What the chip answers when the conversion is not done.
        match u32::from_be_bytes([0, high, middle, low]) {
            0 => Err(DriverError::Timeout),
            value => Ok(value),
        }
    }
}

impl<I: I2c, D: DelayNs> Sensor for Ms5837<I, D> {
    type Error = DriverError;

    fn format(&self) -> Format {
        on_demand::format(self.model.channels())
    }

    /// Between readings the chip is in standby by itself, 0.01 µA.
    async fn set_mode(&mut self, mode: Mode) -> Result<(), DriverError> {
        self.on = on_demand::measures(mode)?;
        Ok(())
    }

    async fn read(&mut self, into: &mut [i32]) -> Result<Burst, DriverError> {
        let Some(into) = into.first_chunk_mut::<2>().filter(|_| self.on) else { return Ok(Burst::default()) };
        let pressure = self.convert(command::CONVERT_PRESSURE).await?;
        let temperature = self.convert(command::CONVERT_TEMPERATURE).await?;
        let values = self.calibration.compensate(self.model, pressure, temperature);
        *into = scale::within(values, self.model.channels())?;
        Ok(Burst { readings: 1, lost: false })
    }
}

#[cfg(test)]
mod tests {
    /// The example of AN520.
    #[test]
    fn the_checksum_of_the_application_note() {
        let words = [0x3132, 0x3334, 0x3536, 0x3738, 0x3940, 0x4142, 0x4344, 0x4500];
        assert_eq!(super::remainder(words.into_iter()), 0xb);
    }
}
