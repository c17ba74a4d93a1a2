//! Faults on order, around any sensor.

use crate::{Burst, Fault, FaultKind, Format, Mode, Sensor};

/// When which fault strikes: numbers of [`Sensor::read`] calls, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan<'p> {
    /// Reads that fail, and how: the sensor keeps its readings.
    pub fail: &'p [(u32, FaultKind)],
    /// Reads that say that readings were lost, and lose what they read.
    pub lose: &'p [u32],
    /// Reads whose first value is the greatest of its channel: lightning, a knock, a bit on the bus.
    pub spike: &'p [u32],
    /// From that read on every reading repeats the last one: a sensor that hangs.
    pub stuck_from: Option<u32>,
}

/// A sensor with faults.
#[derive(Clone, Debug)]
pub struct Faulty<'p, S> {
    inner: S,
    plan: FaultPlan<'p>,
    reads: u32,
    last: Option<i32>,
}

/// A wrapped sensor's error, or an injected one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultyError<E> {
    /// Of the plan.
    Injected(FaultKind),
    /// Of the sensor.
    Inner(E),
}

impl<E: Fault> Fault for FaultyError<E> {
    fn kind(&self) -> FaultKind {
        match self {
            Self::Injected(kind) => *kind,
            Self::Inner(error) => error.kind(),
        }
    }
}

impl<'p, S: Sensor> Faulty<'p, S> {
    /// Returns `inner` with the faults of `plan`.
    pub fn new(inner: S, plan: FaultPlan<'p>) -> Self {
        Self { inner, plan, reads: 0, last: None }
    }
}

impl<S: Sensor> Sensor for Faulty<'_, S> {
    type Error = FaultyError<S::Error>;

    fn format(&self) -> Format {
        self.inner.format()
    }

    async fn set_mode(&mut self, mode: Mode) -> Result<(), Self::Error> {
        self.inner.set_mode(mode).await.map_err(FaultyError::Inner)
    }

    async fn read(&mut self, into: &mut [i32]) -> Result<Burst, Self::Error> {
        let number = self.reads;
        self.reads += 1;
        if let Some((_, kind)) = self.plan.fail.iter().find(|(read, _)| *read == number) {
            return Err(FaultyError::Injected(*kind));
        }
        let burst = self.inner.read(into).await.map_err(FaultyError::Inner)?;
        if self.plan.lose.contains(&number) {
            return Ok(Burst { readings: 0, lost: true });
        }
        let channels = self.format().channels;
        let values = into.get_mut(..burst.readings * channels.len()).unwrap_or_default();
        if self.plan.stuck_from.is_some_and(|from| number >= from) {
            let last = self.last;
            values.iter_mut().for_each(|value| *value = last.unwrap_or(*value));
        } else {
            self.last = values.last().copied().or(self.last);
        }
        if self.plan.spike.contains(&number)
            && let (Some(value), Some(channel)) = (values.first_mut(), channels.first())
        {
            *value = channel.max;
        }
        Ok(burst)
    }
}
