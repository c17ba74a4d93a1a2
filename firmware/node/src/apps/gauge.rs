//! A gauge: a sensor of the water's level, or of the pressure in it.

use tanbo_board_api::{Mode, Quantity, Sensor};

use crate::board::Board;
use crate::part::{Part, channel, gives};
use crate::settings::key;
use crate::shared::Shared;

/// Channels of a gauge, at most.
const CHANNELS: usize = 4;
/// Pressure of a metre of fresh water at standard gravity, 100 Pa: 9.80665 m/s² of 1000 kg/m³.
const PA_PER_M_X100: i64 = 980_665;

/// A gauge that measures when it is read.
pub(super) struct Gauge<'s, S> {
    part: Part<'s, S>,
    pressure: bool,
}

impl<'s, S: Sensor> Gauge<'s, S> {
    /// What [`Gauge::new`] asks of a sensor.
    pub const NEEDS: &'static str = "a water level, or a pressure, whenever it is read";

    /// Returns a gauge; `None` for a sensor that gives neither level nor pressure.
    pub fn new(part: Part<'s, S>) -> Option<Self> {
        let format = part.format();
        let pressure = !gives(&format, &[Quantity::Level], CHANNELS);
        (!pressure || gives(&format, &[Quantity::Pressure], CHANNELS)).then_some(Self { part, pressure })
    }

    /// Returns the level, mm over the station's zero; `None` where there is none, or none that the sensor can measure.
    pub async fn read<B: Board>(&mut self, shared: &Shared<'_, B>) -> Option<i32> {
        let mut reading = [0; CHANNELS];
        if !self.part.measure(shared, &mut reading).await {
            return None;
        }
        let format = self.part.format();
        if let Some(celsius) = channel(&format, &reading, Quantity::Temperature, 0) {
            shared.set_temperature(celsius);
        }
        let level_mm = if self.pressure {
            // In Pa; 1 mm of water is 9.8 of them.
            let pressure_pa = channel(&format, &reading, Quantity::Pressure, 0)?;
            i32::try_from(i64::from(pressure_pa) * 100_000 / PA_PER_M_X100).ok()?
        } else {
            channel(&format, &reading, Quantity::Level, -3)?
        };
        Some(level_mm.saturating_add(shared.setting(key::LEVEL)))
    }

    /// Switches it off.
    pub async fn rest<B: Board>(&mut self, shared: &Shared<'_, B>) {
        self.part.set(shared, Mode::Off).await;
    }

    /// As [`Part::start_again`].
    pub async fn start_again<B: Board>(&mut self, shared: &Shared<'_, B>) -> bool {
        self.part.start_again(shared).await
    }

    /// As [`Part::news`].
    pub fn news(&mut self) -> Option<bool> {
        self.part.news()
    }
}
