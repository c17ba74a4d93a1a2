//! DPS310, a barometer of 0.2 Pa noise (0.02 m of air) at a few µA.
//!
//! Registers and arithmetic: Infineon, "DPS310", data sheet V1.2, chapters 4.9 and 7; the five writes after a reset are of Infineon's own
//! library (`correctTemp`). `dps310` 0.1 is on embedded-hal 0.2.

use embedded_hal_async::delay::DelayNs;
use tanbo_board_api::{Burst, Channel, Format, Mode, Quantity, Sensor};

use crate::registers::Registers;
use crate::{DriverError, scale};

/// The chip's address; 0x76 with SDO at ground.
pub const ADDRESS: u8 = 0x77;

mod register {
    /// Three bytes; with the FIFO on, its next result.
    pub const PSR: u8 = 0x00;
    pub const TMP: u8 = 0x03;
    pub const PRS_CFG: u8 = 0x06;
    pub const TMP_CFG: u8 = 0x07;
    pub const MEAS_CFG: u8 = 0x08;
    pub const CFG: u8 = 0x09;
    pub const FIFO_STS: u8 = 0x0b;
    pub const RESET: u8 = 0x0c;
    pub const PRODUCT: u8 = 0x0d;
    pub const COEF: u8 = 0x10;
    pub const COEF_SRCE: u8 = 0x28;
}

const PRODUCT: u8 = 0x10;
/// `RESET`: of everything; of the FIFO.
const SOFT_RESET: u8 = 0x09;
const FIFO_FLUSH: u8 = 0x80;
/// Bits of `MEAS_CFG`.
const COEF_AND_SENSOR_READY: u8 = 0xc0;
const TMP_READY: u8 = 0x20;
const PRS_READY: u8 = 0x10;
/// Modes of `MEAS_CFG`, its lowest bits.
const MODE: u8 = 0x07;
const STANDBY: u8 = 0;
const PRESSURE_ONCE: u8 = 1;
const TEMPERATURE_ONCE: u8 = 2;
const BOTH_ALWAYS: u8 = 7;
/// Bits of `CFG`.
const INT_FIFO: u8 = 0x40;
const T_SHIFT: u8 = 0x08;
const P_SHIFT: u8 = 0x04;
const FIFO_ON: u8 = 0x02;
/// Bit of `FIFO_STS`.
const FIFO_FULL: u8 = 0x02;
/// Bit of `COEF_SRCE` and of `TMP_CFG`: the temperature of the pressure element.
const EXTERNAL: u8 = 0x80;
/// Results of the FIFO, each pressure or temperature.
const FIFO_RESULTS: usize = 32;
/// What the empty FIFO reads, as a signed number of 24 bits.
const FIFO_EMPTY: i32 = -(1 << 23);
/// Time from a reset to the coefficients, µs, and how often to look longer.
const START_US: u32 = 40_000;
const LOOKS: usize = 5;
/// Writes after a reset for chips whose fuses give a wrong temperature.
const FUSES: [(u8, u8); 5] = [(0x0e, 0xa5), (0x0f, 0x96), (0x62, 0x02), (0x0e, 0x00), (0x0f, 0x00)];

const CHANNELS: [Channel; 2] = [
    Channel { quantity: Quantity::Pressure, exponent: -2, min: 3_000_000, max: 12_000_000 },
    Channel { quantity: Quantity::Temperature, exponent: -3, min: -40_000, max: 85_000 },
];

/// Measurements that the chip averages: more is slower and quieter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oversampling {
    /// 1, 3.6 ms.
    X1 = 0,
    /// 2.
    X2 = 1,
    /// 4.
    X4 = 2,
    /// 8.
    X8 = 3,
    /// 16, 27.6 ms.
    X16 = 4,
    /// 32.
    X32 = 5,
    /// 64, 104.4 ms.
    X64 = 6,
    /// 128.
    X128 = 7,
}

impl Oversampling {
    /// Scale of the raw values (table 9).
    const fn scale(self) -> i64 {
        match self {
            Self::X1 => 524_288,
            Self::X2 => 1_572_864,
            Self::X4 => 3_670_016,
            Self::X8 => 7_864_320,
            Self::X16 => 253_952,
            Self::X32 => 516_096,
            Self::X64 => 1_040_384,
            Self::X128 => 2_088_960,
        }
    }

    /// Time of a measurement, µs (table 16).
    const fn time_us(self) -> u32 {
        2_000 + (1_600 << self as u32)
    }
}

/// How it measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Of pressure and temperature.
    pub oversampling: Oversampling,
    /// Readings per second by itself into the FIFO, a power of two up to 128; `None` to measure when read.
    pub rate_hz: Option<u8>,
}

/// The calibration in the chip (chapter 8.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coefficients {
    c0: i64,
    c1: i64,
    c00: i64,
    c10: i64,
    c01: i64,
    c11: i64,
    c20: i64,
    c21: i64,
    c30: i64,
}

/// The lower `bits` of `value` as a signed number.
const fn signed(value: u32, bits: u32) -> i64 {
    ((value << (32 - bits)).cast_signed() >> (32 - bits)) as i64
}

impl Coefficients {
    /// Returns the coefficients in the 18 bytes from register 0x10 on.
    pub const fn read(bytes: [u8; 18]) -> Self {
        let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
        let [i, j, k, l, m, n, o, p, q, r] = rest;
        const fn word(bytes: [u8; 4], bits: u32) -> i64 {
            signed(u32::from_be_bytes(bytes), bits)
        }
        Self {
            c0: word([0, 0, a, b], 16) >> 4,
            c1: word([0, 0, b, c], 12),
            c00: word([0, d, e, f], 24) >> 4,
            c10: word([0, f, g, h], 20),
            c01: word([0, 0, i, j], 16),
            c11: word([0, 0, k, l], 16),
            c20: word([0, 0, m, n], 16),
            c21: word([0, 0, o, p], 16),
            c30: word([0, 0, q, r], 16),
        }
    }

    /// Returns pressure in hundredths of a pascal and temperature in thousandths of a degree, rounded, from raw values of 24 bits.
    ///
    /// The polynomial of chapter 4.9, in integers: ratios have 32 bits behind the point, sums 24.
    ///
    /// # Errors
    /// [`DriverError::Corrupt`] for raw values beyond twice their scale.
    pub fn compensate(
        &self,
        oversampling: Oversampling,
        raw_pressure: i32,
        raw_temperature: i32,
    ) -> Result<[i32; 2], DriverError> {
        let ratio = |raw: i32| {
            let ratio = (i64::from(raw) << 32) / oversampling.scale();
            if ratio.unsigned_abs() < 2 << 32 { Ok(ratio) } else { Err(DriverError::Corrupt) }
        };
        let (p, t) = (ratio(raw_pressure)?, ratio(raw_temperature)?);
        let times = |sum: i64, ratio: i64| ((i128::from(sum) * i128::from(ratio)) >> 32) as i64;
        let [c0, c1, c00, c10, c01, c11, c20, c21, c30] =
            [self.c0, self.c1, self.c00, self.c10, self.c01, self.c11, self.c20, self.c21, self.c30].map(|c| c << 24);
        let pressure =
            c00 + times(c10 + times(c20 + times(c30, p), p), p) + times(c01 + times(c11 + times(c21, p), p), t);
        let temperature = c0 / 2 + times(c1, t);
        let unit = |sum: i64, units: i64| scale::divide(sum * units, 1 << 24) as i32;
        Ok([unit(pressure, 100), unit(temperature, 1000)])
    }
}

/// The chip.
#[derive(Debug)]
pub struct Dps310<R, D> {
    registers: R,
    delay: D,
    config: Config,
    coefficients: Coefficients,
    /// `TMP_CFG` without rate and oversampling.
    temperature_source: u8,
    on: bool,
    /// The temperature that the FIFO gave last.
    raw_temperature: Option<i32>,
}

impl<R: Registers, D: DelayNs> Dps310<R, D> {
    /// Resets the chip and reads its calibration; it is off then.
    ///
    /// # Errors
    /// [`DriverError::Range`] for a rate that the oversampling leaves no time for;
    /// [`DriverError::Timeout`], [`DriverError::Bus`].
    pub async fn new(mut registers: R, mut delay: D, config: Config) -> Result<Self, DriverError> {
        if let Some(rate) = config.rate_hz {
            let busy_us = u32::from(rate) * 2 * config.oversampling.time_us();
            if !rate.is_power_of_two() || busy_us > 1_000_000 {
                return Err(DriverError::Range);
            }
        }
        registers.write(register::RESET, SOFT_RESET).await?;
        wait(&mut registers, &mut delay, COEF_AND_SENSOR_READY, START_US).await?;
        for (register, value) in FUSES {
            registers.write(register, value).await?;
        }
        let mut bytes = [0; 18];
        registers.read(register::COEF, &mut bytes).await?;
        let temperature_source = registers.read_one(register::COEF_SRCE).await? & EXTERNAL;
        let coefficients = Coefficients::read(bytes);
        Ok(Self { registers, delay, config, coefficients, temperature_source, on: false, raw_temperature: None })
    }

    /// Asks the chip whether it is a DPS310. QEMU's does not know.
    ///
    /// # Errors
    /// [`DriverError::Identity`], [`DriverError::Bus`].
    pub async fn identify(&mut self) -> Result<(), DriverError> {
        // Revision 1, product 0.
        match self.registers.read_one(register::PRODUCT).await? {
            PRODUCT => Ok(()),
            found => Err(DriverError::Identity { expected: PRODUCT.into(), found: found.into() }),
        }
    }

    /// Returns the calibration.
    pub fn coefficients(&self) -> Coefficients {
        self.coefficients
    }

    /// Returns the registers.
    pub fn release(self) -> R {
        self.registers
    }

    async fn result(&mut self, register: u8) -> Result<i32, DriverError> {
        let mut bytes = [0; 3];
        self.registers.read(register, &mut bytes).await?;
        let [high, middle, low] = bytes;
        Ok(i32::from_be_bytes([high, middle, low, 0]) >> 8)
    }

    /// Sets the mode in `MEAS_CFG`; the bits above, which only the chip sets, go back as they were read.
    async fn run(&mut self, mode: u8) -> Result<(), DriverError> {
        let ready = self.registers.read_one(register::MEAS_CFG).await? & !MODE;
        self.registers.write(register::MEAS_CFG, ready | mode).await
    }

    async fn once(&mut self, mode: u8, ready: u8, register: u8) -> Result<i32, DriverError> {
        self.run(mode).await?;
        wait(&mut self.registers, &mut self.delay, ready, self.config.oversampling.time_us()).await?;
        self.result(register).await
    }
}

/// Waits until all of `bits` are set in `MEAS_CFG`.
async fn wait<R: Registers>(
    registers: &mut R,
    delay: &mut impl DelayNs,
    bits: u8,
    time_us: u32,
) -> Result<(), DriverError> {
    for _ in 0..LOOKS {
        delay.delay_us(time_us).await;
        if registers.read_one(register::MEAS_CFG).await? & bits == bits {
            return Ok(());
        }
    }
    Err(DriverError::Timeout)
}

impl<R: Registers, D: DelayNs> Sensor for Dps310<R, D> {
    type Error = DriverError;

    fn format(&self) -> Format {
        let period_ns = self.config.rate_hz.map_or(0, |rate| 1_000_000_000 / u64::from(rate));
        let fifo_readings = if period_ns > 0 { FIFO_RESULTS as u16 / 2 } else { 1 };
        Format { channels: &CHANNELS, period_ns, fifo_readings, wakes: false }
    }

    async fn set_mode(&mut self, mode: Mode) -> Result<(), DriverError> {
        if let Mode::Wake { .. } = mode {
            return Err(DriverError::Unsupported);
        }
        self.run(STANDBY).await?;
        self.on = false;
        self.raw_temperature = None;
        if mode == Mode::Off {
            return Ok(());
        }
        let code = self.config.oversampling as u8;
        let rate = self.config.rate_hz.map_or(0, u8::ilog2) as u8;
        self.registers.write(register::PRS_CFG, rate << 4 | code).await?;
        self.registers.write(register::TMP_CFG, self.temperature_source | rate << 4 | code).await?;
        let shifts =
            if self.config.oversampling.time_us() > Oversampling::X8.time_us() { T_SHIFT | P_SHIFT } else { 0 };
        let fifo = if self.config.rate_hz.is_some() { INT_FIFO | FIFO_ON } else { 0 };
        self.registers.write(register::CFG, shifts | fifo).await?;
        if self.config.rate_hz.is_some() {
            self.registers.write(register::RESET, FIFO_FLUSH).await?;
            self.run(BOTH_ALWAYS).await?;
        }
        self.on = true;
        Ok(())
    }

    async fn read(&mut self, into: &mut [i32]) -> Result<Burst, DriverError> {
        let oversampling = self.config.oversampling;
        let mut readings = into.as_chunks_mut::<2>().0.iter_mut();
        if !self.on || readings.len() == 0 {
            return Ok(Burst::default());
        }
        if self.config.rate_hz.is_none() {
            let temperature = self.once(TEMPERATURE_ONCE, TMP_READY, register::TMP).await?;
            let pressure = self.once(PRESSURE_ONCE, PRS_READY, register::PSR).await?;
            let reading = self.coefficients.compensate(oversampling, pressure, temperature)?;
            if let Some(to) = readings.next() {
                *to = scale::within(reading, &CHANNELS)?;
            }
            return Ok(Burst { readings: 1, lost: false });
        }
        // A full FIFO takes nothing more.
        let lost = self.registers.read_one(register::FIFO_STS).await? & FIFO_FULL != 0;
        let mut count = 0;
        for _ in 0..FIFO_RESULTS {
            if readings.len() == 0 {
                break;
            }
            let result = self.result(register::PSR).await?;
            match (result, self.raw_temperature) {
                (FIFO_EMPTY, _) => break,
                // The lowest bit says what it is.
                (temperature, _) if temperature & 1 == 0 => self.raw_temperature = Some(temperature),
                // A pressure whose temperature went before the FIFO was switched on.
                (_, None) => {}
                (pressure, Some(temperature)) => {
                    let reading = self.coefficients.compensate(oversampling, pressure, temperature)?;
                    if let Some(to) = readings.next() {
                        *to = scale::within(reading, &CHANNELS)?;
                        count += 1;
                    }
                }
            }
        }
        Ok(Burst { readings: count, lost })
    }
}
