//! ADXL362, a three-axis accelerometer of 1.8 µA at 100 Hz, 270 nA while it waits for motion.
//!
//! Registers and SPI commands: Analog Devices, "ADXL362", data sheet Rev. G, tables 10 to 22. No kept crate on embedded-hal 1.0.

use embedded_hal_async::spi::{Operation, SpiDevice};
use tanbo_board_api::{Burst, Channel, Format, Mode, Quantity, Sensor};

use crate::{DriverError, scale};

mod command {
    pub const WRITE: u8 = 0x0a;
    pub const READ: u8 = 0x0b;
    pub const READ_FIFO: u8 = 0x0d;
}

mod register {
    pub const DEVID_AD: u8 = 0x00;
    pub const STATUS: u8 = 0x0b;
    pub const SOFT_RESET: u8 = 0x1f;
    pub const THRESH_ACT_L: u8 = 0x20;
    pub const THRESH_ACT_H: u8 = 0x21;
    pub const TIME_ACT: u8 = 0x22;
    pub const ACT_INACT_CTL: u8 = 0x27;
    pub const FIFO_CONTROL: u8 = 0x28;
    pub const FIFO_SAMPLES: u8 = 0x29;
    pub const INTMAP1: u8 = 0x2a;
    pub const FILTER_CTL: u8 = 0x2c;
    pub const POWER_CTL: u8 = 0x2d;
}

/// `DEVID_AD`, `DEVID_MST`, `PARTID`.
const IDENTITY: [u8; 3] = [0xad, 0x1d, 0xf2];
/// Code of `SOFT_RESET`, "R".
const RESET_CODE: u8 = 0x52;
/// Bits of `POWER_CTL`.
const MEASURE: u8 = 0b10;
const WAKE_UP: u8 = 1 << 3;
/// Bits of `INTMAP1`.
const WATERMARK: u8 = 1 << 2;
const ACTIVITY: u8 = 1 << 4;
/// Bit of `STATUS`.
const OVERRUN: u8 = 1 << 3;
/// `ACT_INACT_CTL`: activity, compared with what was when it began.
const REFERENCED_ACTIVITY: u8 = 0b11;
/// `FIFO_CONTROL`: the newest readings are kept; the ninth bit of `FIFO_SAMPLES`.
const STREAM: u8 = 0b10;
const SAMPLES_ABOVE_255: u8 = 1 << 3;
/// `FILTER_CTL`: a quarter of the rate as bandwidth, as after reset.
const QUARTER_BANDWIDTH: u8 = 1 << 4;
/// Entries of the FIFO, each an axis in two bytes; readings that it holds whole.
const FIFO_ENTRIES: u16 = 512;
const FIFO_READINGS: u16 = FIFO_ENTRIES / 3;
/// Entries read at once.
const CHUNK: usize = 24;
/// Rate in the wake-up mode: about 6 Hz.
const WAKE_PERIOD_NS: u64 = 166_666_667;
/// The threshold has 11 bits.
const THRESHOLD_MAX: i64 = 0x7ff;

/// Full scale. ±8 g is left out: its steps per g differ from the nominal ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// ±2 g, 1 mg a step.
    G2 = 0,
    /// ±4 g, 2 mg a step.
    G4 = 1,
}

impl Range {
    const fn steps_per_g(self) -> i32 {
        match self {
            Self::G2 => 1000,
            Self::G4 => 500,
        }
    }

    const fn channels(self) -> &'static [Channel] {
        const fn axes(range: Range) -> [Channel; 3] {
            let (min, max) = (scale::mgal(-2048, range.steps_per_g()), scale::mgal(2047, range.steps_per_g()));
            [Channel { quantity: Quantity::Acceleration, exponent: -5, min, max }; 3]
        }
        const G2: [Channel; 3] = axes(Range::G2);
        const G4: [Channel; 3] = axes(Range::G4);
        match self {
            Self::G2 => &G2,
            Self::G4 => &G4,
        }
    }
}

/// Output rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// 12.5 Hz.
    Hz12_5 = 0,
    /// 25 Hz.
    Hz25 = 1,
    /// 50 Hz.
    Hz50 = 2,
    /// 100 Hz.
    Hz100 = 3,
    /// 200 Hz.
    Hz200 = 4,
    /// 400 Hz.
    Hz400 = 5,
}

/// How it measures and wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Full scale.
    pub range: Range,
    /// Output rate.
    pub rate: Rate,
    /// Readings after which INT1 rises while measuring, 1 to 170.
    pub watermark: u8,
    /// Whether it waits for motion in its wake-up mode, at 6 Hz and 270 nA; else at `rate`.
    pub wake_at_6hz: bool,
}

/// The chip.
#[derive(Debug)]
pub struct Adxl362<S> {
    device: S,
    config: Config,
    mode: Mode,
}

impl<S: SpiDevice> Adxl362<S> {
    /// Finds the chip and resets it; it is off then. It wants half a millisecond before the first mode is set.
    ///
    /// # Errors
    /// [`DriverError::Identity`], [`DriverError::Range`] for the watermark, [`DriverError::Bus`].
    pub async fn new(device: S, config: Config) -> Result<Self, DriverError> {
        if !(1..=FIFO_READINGS).contains(&u16::from(config.watermark)) {
            return Err(DriverError::Range);
        }
        let mut chip = Self { device, config, mode: Mode::Off };
        let mut found = [0; 3];
        chip.read_registers(register::DEVID_AD, &mut found).await?;
        let number = |[a, b, c]: [u8; 3]| u32::from_be_bytes([0, a, b, c]);
        if found != IDENTITY {
            return Err(DriverError::Identity { expected: number(IDENTITY), found: number(found) });
        }
        chip.write(register::SOFT_RESET, RESET_CODE).await?;
        Ok(chip)
    }

    /// Returns the bus.
    pub fn release(self) -> S {
        self.device
    }

    async fn read_registers(&mut self, register: u8, into: &mut [u8]) -> Result<(), DriverError> {
        let mut operations = [Operation::Write(&[command::READ, register]), Operation::Read(into)];
        self.device.transaction(&mut operations).await.map_err(DriverError::spi)
    }

    async fn write(&mut self, register: u8, value: u8) -> Result<(), DriverError> {
        self.device.write(&[command::WRITE, register, value]).await.map_err(DriverError::spi)
    }

    fn wakes_slowly(&self) -> bool {
        self.config.wake_at_6hz && matches!(self.mode, Mode::Wake { .. })
    }
}

impl<S: SpiDevice> Sensor for Adxl362<S> {
    type Error = DriverError;

    fn format(&self) -> Format {
        let period_ns = if self.wakes_slowly() { WAKE_PERIOD_NS } else { 80_000_000 >> self.config.rate as u32 };
        Format { channels: self.config.range.channels(), period_ns, fifo_readings: FIFO_READINGS, wakes: true }
    }

    /// Wake compares with what was measured when the mode was set, so that gravity does not matter.
    async fn set_mode(&mut self, mode: Mode) -> Result<(), DriverError> {
        let wake = match mode {
            Mode::Off | Mode::Measure => None,
            Mode::Wake { threshold, readings } => {
                let steps = scale::steps(threshold, self.config.range.steps_per_g());
                if !(1..=THRESHOLD_MAX).contains(&steps) || readings == 0 {
                    return Err(DriverError::Range);
                }
                let [low, high] = (steps as u16).to_le_bytes();
                Some([(register::THRESH_ACT_L, low), (register::THRESH_ACT_H, high), (register::TIME_ACT, readings)])
            }
        };
        // Standby, and an empty FIFO.
        self.write(register::POWER_CTL, 0).await?;
        self.write(register::FIFO_CONTROL, 0).await?;
        self.mode = Mode::Off;
        if mode == Mode::Off {
            return Ok(());
        }
        let filter = (self.config.range as u8) << 6 | QUARTER_BANDWIDTH | self.config.rate as u8;
        let [low, high] = (u16::from(self.config.watermark) * 3).to_le_bytes();
        let (activity, interrupt) = if wake.is_some() { (REFERENCED_ACTIVITY, ACTIVITY) } else { (0, WATERMARK) };
        let fifo = [
            (register::FILTER_CTL, filter),
            (register::FIFO_SAMPLES, low),
            (register::FIFO_CONTROL, STREAM | if high > 0 { SAMPLES_ABOVE_255 } else { 0 }),
        ];
        let on = [(register::ACT_INACT_CTL, activity), (register::INTMAP1, interrupt)];
        for (register, value) in fifo.into_iter().chain(wake.into_iter().flatten()).chain(on) {
            self.write(register, value).await?;
        }
        self.mode = mode;
        let wake_up = if self.wakes_slowly() { WAKE_UP } else { 0 };
        self.write(register::POWER_CTL, MEASURE | wake_up).await
    }

    async fn read(&mut self, into: &mut [i32]) -> Result<Burst, DriverError> {
        let room = into.len() / 3;
        if self.mode == Mode::Off || room == 0 {
            return Ok(Burst::default());
        }
        // STATUS, FIFO_ENTRIES_L, FIFO_ENTRIES_H.
        let mut head = [0; 3];
        self.read_registers(register::STATUS, &mut head).await?;
        let [status, low, high] = head;
        let mut lost = status & OVERRUN != 0;
        let entries = u16::from_le_bytes([low, high & 0b11]).min(FIFO_ENTRIES);
        let mut left = usize::from(entries / 3).min(room) * 3;
        let steps_per_g = self.config.range.steps_per_g();
        let mut values = into.iter_mut();
        let mut count = 0;
        while left > 0 {
            let mut chunk = [0; CHUNK * 2];
            let now = left.min(CHUNK);
            left -= now;
            let chunk = chunk.get_mut(..now * 2).unwrap_or_default();
            let mut operations = [Operation::Write(&[command::READ_FIFO]), Operation::Read(chunk)];
            self.device.transaction(&mut operations).await.map_err(DriverError::spi)?;
            for entry in chunk.as_chunks::<2>().0 {
                let entry = u16::from_le_bytes(*entry);
                // The axis in the upper two bits, then the value's sign twice, then the value.
                if usize::from(entry >> 14) != count % 3 {
                    if count % 3 == 0 {
                        // The rest of a reading whose beginning ran over.
                        lost = true;
                        continue;
                    }
                    return Err(DriverError::Corrupt);
                }
                let steps = i32::from((entry << 2).cast_signed() >> 2);
                if let Some(value) = values.next() {
                    *value = scale::mgal(steps, steps_per_g);
                    count += 1;
                }
            }
        }
        Ok(Burst { readings: count / 3, lost })
    }
}
