//! Classical methods as detectors.

use core::convert::Infallible;

use tanbo_methods::paddy::{Awd, SeasonDay};
use tanbo_methods::pressure::Tendency;
use tanbo_methods::water::{Mofjeld, score};
use tanbo_signal::{FrontEndError, Sample, StaLta, StaLtaTrigger};

use crate::detector::{Detector, Scored};

/// The STA/LTA trigger, a hop every few samples: for a station without a model.
///
/// The score is the ratio of energies in Q4 (32 is twice the energy); the gate is the trigger.
#[derive(Clone)]
pub struct Shaking {
    trigger: StaLtaTrigger,
    hop_samples: u16,
    samples: u16,
}

impl Shaking {
    /// Returns a detector with a hop every `hop_samples` samples, at least 1.
    ///
    /// # Errors
    ///
    /// The first parameter out of range.
    pub fn new(parameters: StaLta, hop_samples: u16) -> Result<Self, FrontEndError> {
        let trigger = StaLtaTrigger::new(parameters)?;
        if hop_samples == 0 {
            return Err(FrontEndError::Field { name: "hop_samples", value: 0 });
        }
        Ok(Self { trigger, hop_samples, samples: 0 })
    }
}

impl Detector for Shaking {
    type Reading = Sample;
    type Error = Infallible;

    fn push(&mut self, time_us: u64, sample: Sample, mut on_hop: impl FnMut(Scored)) -> Result<(), Infallible> {
        let trigger = self.trigger.push(time_us, sample);
        self.samples += 1;
        if self.samples >= self.hop_samples {
            self.samples = 0;
            let score = trigger.open.then(|| self.trigger.score());
            on_hop(Scored { ready: trigger.ready, gate_q8: 0, score });
        }
        Ok(())
    }

    fn restart(&mut self) {
        self.samples = 0;
        self.trigger.restart();
    }
}

/// A hop per reading; the score is the size of the residual in the parameters' mm per step.
impl<const N: usize> Detector for Mofjeld<N> {
    /// mm; `None` where the sensor gave none.
    type Reading = Option<i32>;
    type Error = Infallible;

    fn push(&mut self, time_us: u64, level_mm: Option<i32>, mut on_hop: impl FnMut(Scored)) -> Result<(), Infallible> {
        let residual = Self::push(self, time_us, level_mm);
        let score = residual.map(|residual| score(residual, self.parameters()));
        on_hop(Scored { ready: score.is_some(), gate_q8: 0, score });
        Ok(())
    }

    fn restart(&mut self) {
        Self::restart(self);
    }
}

/// A reading of a barometer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Barometer {
    /// Pressure, Pa; `None` where the sensor gave none.
    pub pressure_pa: Option<i32>,
    /// Microseconds since the Unix epoch; `None` while the clock is not set.
    pub utc_us: Option<u64>,
}

/// A hop per reading; the score is the fall, 64 at a threshold.
impl<const N: usize> Detector for Tendency<N> {
    type Reading = Barometer;
    type Error = Infallible;

    fn push(&mut self, time_us: u64, reading: Barometer, mut on_hop: impl FnMut(Scored)) -> Result<(), Infallible> {
        let score = Self::push(self, time_us, reading.pressure_pa, reading.utc_us).map(|falls| falls.score);
        on_hop(Scored { ready: score.is_some(), gate_q8: 0, score });
        Ok(())
    }

    fn restart(&mut self) {
        Self::restart(self);
    }
}

/// A reading of a field tube.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldTube {
    /// Water level over the surface, mm; `None` where the sensor gave none.
    pub level_mm: Option<i32>,
    /// Day of the season; 0 is the day of transplanting.
    pub day: SeasonDay,
}

/// A hop per reading; the score is how much the field wants water: 0 and more it does, −64 and less it has enough.
impl Detector for Awd {
    type Reading = FieldTube;
    type Error = Infallible;

    fn push(&mut self, _: u64, reading: FieldTube, mut on_hop: impl FnMut(Scored)) -> Result<(), Infallible> {
        let score =
            reading.level_mm.map(|level_mm| self.want(reading.day).map_or(i8::MIN, |want| want.score(level_mm)));
        on_hop(Scored { ready: score.is_some(), gate_q8: 0, score });
        Ok(())
    }

    /// The rule remembers nothing.
    fn restart(&mut self) {}
}
