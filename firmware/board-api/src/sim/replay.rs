//! A recording or a function of time in place of a sensor.

use crate::sim::World;
use crate::{Burst, Channel, Fault, FaultKind, Format, Mode, Quantity, Sensor};

/// A channel of acceleration, mGal, ±4 g.
const MGAL: Channel = Channel { quantity: Quantity::Acceleration, exponent: -5, min: -3_922_660, max: 3_922_660 };

/// Three axes at 100 Hz with a FIFO for 0.96 s, as accelerometers for seismology have.
pub const ACCELEROMETER: Format =
    Format { channels: &[MGAL, MGAL, MGAL], period_ns: 10_000_000, fifo_readings: 96, wakes: true };

/// Pressure and temperature, measured when read.
pub const BAROMETER: Format = Format {
    channels: &[
        Channel { quantity: Quantity::Pressure, exponent: -2, min: 3_000_000, max: 12_000_000 },
        Channel { quantity: Quantity::Temperature, exponent: -3, min: -40_000, max: 85_000 },
    ],
    period_ns: 0,
    fifo_readings: 1,
    wakes: false,
};

/// Why a simulated sensor fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimFault(pub FaultKind);

impl Fault for SimFault {
    fn kind(&self) -> FaultKind {
        self.0
    }
}

/// A sensor that measures a recording, from its beginning whenever it is switched on, and again from there at its end.
///
/// With a FIFO, readings run over as in the device: what is read late has lost its oldest; half a FIFO interrupts.
#[derive(Clone, Debug)]
pub struct Replay<'a> {
    world: &'a World,
    /// Which of the world's sensors it is.
    number: usize,
    format: Format,
    /// Whole readings, channel by channel.
    recording: &'a [i32],
    mode: Mode,
    started_us: u64,
    /// Readings taken out or run over since the start.
    taken: u64,
}

impl<'a> Replay<'a> {
    /// Returns a sensor that is off. What of `recording` is no whole reading is left out.
    pub fn new(world: &'a World, number: usize, format: Format, recording: &'a [i32]) -> Self {
        Self { world, number, format, recording, mode: Mode::Off, started_us: 0, taken: 0 }
    }

    /// When it interrupts next.
    fn interrupt_us(&self) -> Option<u64> {
        match self.mode {
            Mode::Off => None,
            Mode::Measure => {
                let half = u64::from((self.format.fifo_readings / 2).max(1));
                (self.format.period_ns > 0)
                    .then(|| self.started_us + (self.taken + half) * self.format.period_ns / 1000)
            }
            Mode::Wake { .. } => self.wakes_at_us(),
        }
    }

    fn reading(&self, number: u64) -> &'a [i32] {
        let channels = self.format.channels.len();
        let count = (self.recording.len() / channels.max(1)).max(1) as u64;
        let at = (number % count) as usize * channels;
        self.recording.get(at..at + channels).unwrap_or_default()
    }

    /// Returns when the recording first goes beyond the threshold that was set, µs.
    pub fn wakes_at_us(&self) -> Option<u64> {
        let Mode::Wake { threshold, readings } = self.mode else { return None };
        let mut run = 0;
        let beyond = self.recording.chunks_exact(self.format.channels.len().max(1)).position(|reading| {
            let above = reading.iter().any(|value| value.unsigned_abs() > threshold.unsigned_abs());
            run = if above { run + 1 } else { 0 };
            run >= u32::from(readings)
        })?;
        Some(self.started_us + (beyond as u64 + 1) * self.format.period_ns / 1000)
    }
}

impl Sensor for Replay<'_> {
    type Error = SimFault;

    fn format(&self) -> Format {
        self.format
    }

    async fn set_mode(&mut self, mode: Mode) -> Result<(), SimFault> {
        if let Mode::Wake { threshold, readings } = mode {
            if !self.format.wakes {
                return Err(SimFault(FaultKind::Unsupported));
            }
            let greatest = self.format.channels.first().map_or(0, |channel| channel.max);
            if !(0..=greatest).contains(&threshold) || readings == 0 {
                return Err(SimFault(FaultKind::Range));
            }
        }
        self.mode = mode;
        self.started_us = self.world.now_us();
        self.taken = 0;
        self.world.set_sensor(self.number, mode, self.interrupt_us());
        Ok(())
    }

    async fn read(&mut self, into: &mut [i32]) -> Result<Burst, SimFault> {
        let channels = self.format.channels.len().max(1);
        let room = (into.len() / channels) as u64;
        if self.mode == Mode::Off || room == 0 {
            return Ok(Burst::default());
        }
        let mut lost = false;
        let waiting = match self.format.period_ns {
            0 => 1,
            period_ns => {
                let made = (self.world.now_us() - self.started_us) * 1000 / period_ns;
                let oldest = made.saturating_sub(self.format.fifo_readings.into());
                lost = oldest > self.taken;
                self.taken = self.taken.max(oldest);
                made - self.taken
            }
        };
        let readings = waiting.min(room);
        for (to, number) in into.chunks_exact_mut(channels).zip(self.taken..self.taken + readings) {
            to.iter_mut().zip(self.reading(number)).for_each(|(to, value)| *to = *value);
        }
        self.taken += readings;
        self.world.set_sensor(self.number, self.mode, self.interrupt_us());
        Ok(Burst { readings: readings as usize, lost })
    }
}

/// A sensor that measures a function of the time, µs, whenever it is read.
pub struct Measured<'w, F> {
    world: &'w World,
    number: usize,
    format: Format,
    at: F,
    mode: Mode,
}

impl<'w, F: FnMut(u64, &mut [i32]) -> Result<(), FaultKind>> Measured<'w, F> {
    /// Returns a sensor that is off; `at` fills in a reading, or fails.
    pub fn new(world: &'w World, number: usize, format: Format, at: F) -> Self {
        Self { world, number, format, at, mode: Mode::Off }
    }
}

impl<F: FnMut(u64, &mut [i32]) -> Result<(), FaultKind>> Sensor for Measured<'_, F> {
    type Error = SimFault;

    fn format(&self) -> Format {
        Format { period_ns: 0, fifo_readings: 1, wakes: false, ..self.format }
    }

    async fn set_mode(&mut self, mode: Mode) -> Result<(), SimFault> {
        if let Mode::Wake { .. } = mode {
            return Err(SimFault(FaultKind::Unsupported));
        }
        self.mode = mode;
        self.world.set_sensor(self.number, mode, None);
        Ok(())
    }

    async fn read(&mut self, into: &mut [i32]) -> Result<Burst, SimFault> {
        let Some(reading) = into.get_mut(..self.format.channels.len()).filter(|_| self.mode == Mode::Measure) else {
            return Ok(Burst::default());
        };
        (self.at)(self.world.now_us(), reading).map_err(SimFault)?;
        Ok(Burst { readings: 1, lost: false })
    }
}
