//! ADXL355, a three-axis accelerometer of 22.5 µg/√Hz at 200 µA.
//!
//! Registers: Analog Devices, "ADXL354/ADXL355", data sheet Rev. D, tables 14 to 48. `adi-adxl355` 1.0 reads single samples as
//! floats and neither the FIFO nor the activity threshold.

use tanbo_board_api::{Burst, Channel, Format, Mode, Quantity, Sensor};

use crate::registers::Registers;
use crate::{DriverError, scale};

mod register {
    pub const DEVID_AD: u8 = 0x00;
    pub const STATUS: u8 = 0x04;
    pub const FIFO_ENTRIES: u8 = 0x05;
    pub const FIFO_DATA: u8 = 0x11;
    pub const ACT_EN: u8 = 0x24;
    pub const ACT_THRESH_H: u8 = 0x25;
    pub const ACT_THRESH_L: u8 = 0x26;
    pub const ACT_COUNT: u8 = 0x27;
    pub const FILTER: u8 = 0x28;
    pub const FIFO_SAMPLES: u8 = 0x29;
    pub const INT_MAP: u8 = 0x2a;
    pub const RANGE: u8 = 0x2c;
    pub const POWER_CTL: u8 = 0x2d;
    pub const RESET: u8 = 0x2f;
}

/// `DEVID_AD`, `DEVID_MST`, `PARTID`.
const IDENTITY: [u8; 3] = [0xad, 0x1d, 0xed];
/// Code of `RESET`.
const RESET_CODE: u8 = 0x52;
/// Bits of `POWER_CTL`: standby, and no temperature.
const STANDBY: u8 = 0b01;
const TEMP_OFF: u8 = 0b10;
/// Bits of `INT_MAP` for the pin INT1: FIFO watermark, activity.
const FULL_ON_INT1: u8 = 0b0010;
const ACTIVITY_ON_INT1: u8 = 0b1000;
/// Bit of `STATUS`: the FIFO has run over. Reading it clears it.
const FIFO_OVERRUN: u8 = 0b100;
/// Lowest bits of a FIFO entry: it is of the X axis; there was none.
const X_AXIS: u8 = 0b01;
const EMPTY: u8 = 0b10;
/// Bytes of a FIFO entry, and entries of the FIFO.
const ENTRY_BYTES: usize = 3;
const FIFO_ENTRIES: usize = 96;
/// Entries read at once.
const CHUNK: usize = 24;
/// The threshold is bits 18 to 3 of the magnitude.
const THRESHOLD_SHIFT: u32 = 3;

/// Full scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// ±2.048 g.
    G2 = 1,
    /// ±4.096 g.
    G4 = 2,
    /// ±8.192 g.
    G8 = 3,
}

impl Range {
    const fn steps_per_g(self) -> i32 {
        match self {
            Self::G2 => 256_000,
            Self::G4 => 128_000,
            Self::G8 => 64_000,
        }
    }

    const fn channels(self) -> &'static [Channel] {
        const fn axes(range: Range) -> [Channel; 3] {
            let (min, max) =
                (scale::mgal(-(1 << 19), range.steps_per_g()), scale::mgal((1 << 19) - 1, range.steps_per_g()));
            [Channel { quantity: Quantity::Acceleration, exponent: -5, min, max }; 3]
        }
        const G2: [Channel; 3] = axes(Range::G2);
        const G4: [Channel; 3] = axes(Range::G4);
        const G8: [Channel; 3] = axes(Range::G8);
        match self {
            Self::G2 => &G2,
            Self::G4 => &G4,
            Self::G8 => &G8,
        }
    }
}

/// Output rate; its low-pass is at a quarter of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// 1000 Hz.
    Hz1000 = 2,
    /// 500 Hz.
    Hz500 = 3,
    /// 250 Hz.
    Hz250 = 4,
    /// 125 Hz.
    Hz125 = 5,
    /// 62.5 Hz.
    Hz62_5 = 6,
    /// 31.25 Hz.
    Hz31_25 = 7,
    /// 15.625 Hz.
    Hz15_625 = 8,
}

impl Rate {
    /// 4000 Hz, halved as often as the code says.
    const fn period_ns(self) -> u64 {
        250_000 << self as u32
    }
}

/// How it measures and wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Full scale.
    pub range: Range,
    /// Output rate.
    pub rate: Rate,
    /// Readings after which INT1 rises while measuring, 1 to 32.
    pub watermark: u8,
    /// Axes that wake: bit 0 X, bit 1 Y, bit 2 Z. The chip compares magnitudes with gravity in them, so leave out the vertical one.
    pub wake_axes: u8,
}

/// The chip.
#[derive(Debug)]
pub struct Adxl355<R> {
    registers: R,
    config: Config,
    on: bool,
}

impl<R: Registers> Adxl355<R> {
    /// Finds the chip and resets it; it is off then.
    ///
    /// # Errors
    /// [`DriverError::Identity`], [`DriverError::Range`] for the watermark, [`DriverError::Bus`].
    pub async fn new(mut registers: R, config: Config) -> Result<Self, DriverError> {
        if !(1..=32).contains(&config.watermark) || config.wake_axes > 7 {
            return Err(DriverError::Range);
        }
        let mut found = [0; 3];
        registers.read(register::DEVID_AD, &mut found).await?;
        let number = |[a, b, c]: [u8; 3]| u32::from_be_bytes([0, a, b, c]);
        if found != IDENTITY {
            return Err(DriverError::Identity { expected: number(IDENTITY), found: number(found) });
        }
        registers.write(register::RESET, RESET_CODE).await?;
        Ok(Self { registers, config, on: false })
    }

    /// Returns the registers.
    pub fn release(self) -> R {
        self.registers
    }

    /// Empties the FIFO, which keeps its readings in standby.
    async fn drain(&mut self) -> Result<(), DriverError> {
        let mut chunk = [0; CHUNK * ENTRY_BYTES];
        for _ in 0..FIFO_ENTRIES / CHUNK {
            self.registers.read(register::FIFO_DATA, &mut chunk).await?;
        }
        // The overrun of before.
        self.registers.read_one(register::STATUS).await.map(|_| ())
    }
}

impl<R: Registers> Sensor for Adxl355<R> {
    type Error = DriverError;

    fn format(&self) -> Format {
        Format {
            channels: self.config.range.channels(),
            period_ns: self.config.rate.period_ns(),
            fifo_readings: (FIFO_ENTRIES / 3) as u16,
            wakes: true,
        }
    }

    /// Wake compares each chosen axis' magnitude, gravity included, with the threshold.
    async fn set_mode(&mut self, mode: Mode) -> Result<(), DriverError> {
        let (interrupts, axes, wake) = match mode {
            Mode::Off | Mode::Measure => (FULL_ON_INT1, 0, None),
            Mode::Wake { threshold, readings } => {
                let steps = scale::steps(threshold, self.config.range.steps_per_g()) >> THRESHOLD_SHIFT;
                let code = u16::try_from(steps).ok().filter(|code| *code > 0 && readings > 0);
                let [high, low] = code.ok_or(DriverError::Range)?.to_be_bytes();
                let wake =
                    [(register::ACT_THRESH_H, high), (register::ACT_THRESH_L, low), (register::ACT_COUNT, readings)];
                (ACTIVITY_ON_INT1, self.config.wake_axes, Some(wake))
            }
        };
        // Settings change in standby only.
        self.registers.write(register::POWER_CTL, STANDBY | TEMP_OFF).await?;
        self.on = false;
        if mode == Mode::Off {
            return Ok(());
        }
        let settings = [
            (register::RANGE, self.config.range as u8),
            (register::FILTER, self.config.rate as u8),
            (register::FIFO_SAMPLES, self.config.watermark * 3),
            (register::INT_MAP, interrupts),
        ];
        for (register, value) in settings.into_iter().chain(wake.into_iter().flatten()) {
            self.registers.write(register, value).await?;
        }
        self.registers.write(register::ACT_EN, axes).await?;
        self.drain().await?;
        self.registers.write(register::POWER_CTL, TEMP_OFF).await?;
        self.on = true;
        Ok(())
    }

    async fn read(&mut self, into: &mut [i32]) -> Result<Burst, DriverError> {
        let room = into.len() / 3;
        if !self.on || room == 0 {
            return Ok(Burst::default());
        }
        let mut lost = self.registers.read_one(register::STATUS).await? & FIFO_OVERRUN != 0;
        let entries = usize::from(self.registers.read_one(register::FIFO_ENTRIES).await?).min(FIFO_ENTRIES);
        let mut left = (entries / 3).min(room) * 3;
        let steps_per_g = self.config.range.steps_per_g();
        let mut values = into.iter_mut();
        // Values so far; a reading begins with the entry that is marked as X.
        let mut count = 0;
        while left > 0 {
            let mut chunk = [0; CHUNK * ENTRY_BYTES];
            let now = left.min(CHUNK);
            left -= now;
            let chunk = chunk.get_mut(..now * ENTRY_BYTES).unwrap_or_default();
            self.registers.read(register::FIFO_DATA, chunk).await?;
            for entry in chunk.as_chunks::<ENTRY_BYTES>().0 {
                let [high, middle, low] = *entry;
                if low & EMPTY != 0 {
                    return Err(DriverError::Corrupt);
                }
                if (low & X_AXIS != 0) != (count % 3 == 0) {
                    if low & X_AXIS == 0 {
                        // The rest of a reading whose beginning ran over.
                        lost = true;
                        continue;
                    }
                    return Err(DriverError::Corrupt);
                }
                // 20 bits, left-aligned in 24.
                let steps = i32::from_be_bytes([high, middle, low, 0]) >> 12;
                if let Some(value) = values.next() {
                    *value = scale::mgal(steps, steps_per_g);
                    count += 1;
                }
            }
        }
        Ok(Burst { readings: count / 3, lost })
    }
}
