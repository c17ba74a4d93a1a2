//! A sensor as the node has it: what it is set to, how often it failed, when it is started again.

use tanbo_board_api::{Burst, Fault as _, FaultKind, Format, Mode, Quantity, Sensor};
use tanbo_flash_map::{Calibrations, Unit};

use crate::board::Board;
use crate::faults::Trouble;
use crate::plan::SensorState;
use crate::shared::Shared;

/// Failures in a row after which the gateway is told.
const DEAD: u16 = 16;
/// Failures in a row between two starts of the sensor, at most; until then at the second, fourth, eighth, …
const LONGEST_ROW: u16 = 512;

/// A sensor of the node.
pub(crate) struct Part<'s, S> {
    sensor: &'s mut S,
    number: u8,
    wanted: Mode,
    /// Whether it is in the wanted mode, as far as anybody knows.
    set: bool,
    /// Failures in a row.
    row: u16,
    /// What the gateway was told: whether it is dead.
    told: bool,
}

impl<'s, S: Sensor> Part<'s, S> {
    /// Returns a sensor, `number` in the application's order, that is not set to anything yet.
    pub fn new(sensor: &'s mut S, number: u8) -> Self {
        Self { sensor, number, wanted: Mode::Off, set: false, row: 0, told: false }
    }

    /// Returns what its readings are.
    pub fn format(&self) -> Format {
        self.sensor.format()
    }

    /// Returns its number.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// Sets it, if it is not set so already.
    pub async fn set<B: Board>(&mut self, shared: &Shared<'_, B>, mode: Mode) {
        if !self.set || self.wanted != mode {
            self.wanted = mode;
            self.apply(shared).await;
        }
    }

    async fn apply<B: Board>(&mut self, shared: &Shared<'_, B>) {
        let state = match self.wanted {
            Mode::Off => SensorState::Standby,
            Mode::Measure => SensorState::Measure,
            Mode::Wake { .. } => SensorState::Watch,
        };
        match self.sensor.set_mode(self.wanted).await {
            Ok(()) => {
                self.set = true;
                shared.set_sensor(self.number, state);
            }
            Err(error) => {
                self.set = false;
                self.failed(shared, error.kind()).await;
            }
        }
    }

    /// Takes readings out of it; `None` where it fails. After failures it is started again, at ever longer distances.
    pub async fn read<B: Board>(&mut self, shared: &Shared<'_, B>, into: &mut [i32]) -> Option<Burst> {
        if self.set {
            match self.sensor.read(into).await {
                Ok(burst) => {
                    let values = burst.readings * self.sensor.format().channels.len();
                    if !self.calibrate(&shared.setup.calibrations, into.get_mut(..values).unwrap_or_default()) {
                        self.failed(shared, FaultKind::Range).await;
                        return None;
                    }
                    // Empty is no sign of life: a sensor that lost its supply and its settings gives nothing for ever.
                    if burst.readings > 0 {
                        self.row = 0;
                    }
                    return Some(burst);
                }
                Err(error) => self.failed(shared, error.kind()).await,
            }
        } else {
            self.failed(shared, FaultKind::NotFound).await;
        }
        if self.row > 1 && (self.row.is_power_of_two() || self.row.is_multiple_of(LONGEST_ROW)) {
            self.start_again(shared).await;
        }
        None
    }

    /// Makes calibrated readings of what the sensor gives; what is out of its range stays so. `false` for a calibration of something else.
    fn calibrate(&self, calibrations: &Calibrations, readings: &mut [i32]) -> bool {
        let format = self.sensor.format();
        calibrations.of(self.number).all(|calibration| {
            let channel = usize::from(calibration.channel);
            let Some(found) =
                format.channels.get(channel).filter(|found| unit(found.quantity) == Some(calibration.unit))
            else {
                return false;
            };
            let zero = scaled(calibration.zero, calibration.exponent, found.exponent);
            let column = readings.iter_mut().skip(channel).step_by(format.channels.len().max(1));
            for reading in column.filter(|reading| (found.min..=found.max).contains(*reading)) {
                *reading = calibration.apply(*reading, zero).clamp(found.min, found.max);
            }
            true
        })
    }

    /// Switches it off and to what is wanted; whether it obeys.
    pub async fn start_again<B: Board>(&mut self, shared: &Shared<'_, B>) -> bool {
        // It may be off already, or not obey.
        let _ = self.sensor.set_mode(Mode::Off).await;
        self.apply(shared).await;
        self.set
    }

    /// Counts a reading that did not come.
    pub async fn missing<B: Board>(&mut self, shared: &Shared<'_, B>) {
        self.failed(shared, FaultKind::Timeout).await;
        if self.row > 1 && (self.row.is_power_of_two() || self.row.is_multiple_of(LONGEST_ROW)) {
            self.start_again(shared).await;
        }
    }

    /// Switches it on for one reading, into the front of `into`; whether there is one.
    pub async fn measure<B: Board>(&mut self, shared: &Shared<'_, B>, into: &mut [i32]) -> bool {
        self.set(shared, Mode::Measure).await;
        let burst = self.read(shared, into).await;
        self.set(shared, Mode::Off).await;
        match burst {
            Some(Burst { readings, .. }) if readings > 0 => true,
            Some(_) => {
                self.failed(shared, FaultKind::Timeout).await;
                false
            }
            None => false,
        }
    }

    async fn failed<B: Board>(&mut self, shared: &Shared<'_, B>, kind: FaultKind) {
        self.row = self.row.saturating_add(1);
        if self.row.is_power_of_two() {
            shared.fault(Trouble::Sensor { number: self.number, kind, row: self.row }).await;
        }
    }

    /// Returns whether it fails at the moment.
    pub fn fails(&self) -> bool {
        self.row > 0
    }

    /// Returns whether it is dead or alive again, once each time that changes.
    pub fn news(&mut self) -> Option<bool> {
        let dead = if self.told { self.row > 0 } else { self.row >= DEAD };
        (dead != core::mem::replace(&mut self.told, dead)).then_some(dead)
    }
}

/// Returns the unit of a quantity, as calibrations have it; `None` where a probe has its own.
fn unit(quantity: Quantity) -> Option<Unit> {
    Some(match quantity {
        Quantity::Acceleration => Unit::MetrePerSecondSquared,
        Quantity::Pressure => Unit::Pascal,
        Quantity::Temperature => Unit::Celsius,
        Quantity::Level => Unit::Metre,
        Quantity::Humidity => Unit::Saturation,
        Quantity::Rain => Unit::MetreOfRain,
        Quantity::Speed => Unit::MetrePerSecond,
        Quantity::Direction => Unit::Degree,
        Quantity::SoilMoisture => Unit::Volumetric,
        Quantity::Voltage => Unit::Volt,
        Quantity::Other => return None,
    })
}

/// Returns whether a sensor gives all of `quantities` whenever it is read, in at most `most` channels.
pub(crate) fn gives(format: &Format, quantities: &[Quantity], most: usize) -> bool {
    let has = |quantity: &Quantity| format.channels.iter().any(|channel| channel.quantity == *quantity);
    format.period_ns == 0 && format.channels.len() <= most && quantities.iter().all(has)
}

/// Returns the first channel of `quantity` in a reading, in units of 10^`exponent`; `None` if there is none, or it is out of the
/// sensor's range.
pub(crate) fn channel(format: &Format, reading: &[i32], quantity: Quantity, exponent: i8) -> Option<i32> {
    let mut channels = format.channels.iter().zip(reading);
    let (channel, value) = channels.find(|(channel, _)| channel.quantity == quantity)?;
    (channel.min..=channel.max).contains(value).then(|| scaled(*value, channel.exponent, exponent))
}

/// Returns `value`, in units of 10^`from`, in units of 10^`to`: rounded half away from zero, saturated.
pub(crate) fn scaled(value: i32, from: i8, to: i8) -> i32 {
    let mut wide = i64::from(value);
    let steps = i32::from(from) - i32::from(to);
    for _ in 0..steps.clamp(0, 10) {
        wide = (wide * 10).clamp(i32::MIN.into(), i32::MAX.into());
    }
    if steps < 0 {
        let divisor = 10i64.pow(steps.unsigned_abs().min(10));
        wide = (wide + wide.signum() * (divisor / 2)) / divisor;
    }
    wide as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_changed_exactly() {
        assert_eq!([scaled(10_132_549, -2, 0), scaled(-15, -1, 0), scaled(14, -1, 0)], [101_325, -2, 1]);
        assert_eq!([scaled(7, 1, 0), scaled(i32::MAX, 0, -3), scaled(i32::MIN, 3, -7)], [70, i32::MAX, i32::MIN]);
        assert_eq!([scaled(5, 0, 0), scaled(i32::MIN, -128, 127)], [5, 0]);
    }
}
