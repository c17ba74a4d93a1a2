//! The state machine.

use tanbo::{Engine, Parsed, Plan};
use tanbo_signal::{Decision, FrontEnd, FrontEndError, Rate};

use crate::decision::{Change, Decider};
use crate::detector::Detector;
use crate::error::PipelineError;
use crate::network::{Ear, Network};

/// An alarm that begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happens.
    pub change: Change,
    /// Time of the reading that completed the decision, as given to [`Station::push`], in microseconds.
    pub time_us: u64,
    /// Index of that reading, counted from 0.
    pub sample: u64,
    /// Score of the hop (quantized); `None` where the gate had closed.
    pub score: Option<i8>,
}

/// One hop: what the station saw and decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Time of the reading that completed the hop, in microseconds.
    pub time_us: u64,
    /// Index of that reading, counted from 0.
    pub sample: u64,
    /// False while the detector cannot judge.
    pub ready: bool,
    /// Short-term over running-average energy, log2 in Q8; 0 of a detector without a gate.
    pub gate_q8: i32,
    /// Score (quantized), where there is no gate or it is open.
    pub score: Option<i8>,
    /// Whether there is an alarm after this hop.
    pub alarm: bool,
    /// The change of the decision, if this hop brought one.
    pub event: Option<Event>,
}

/// A detector and the decision behind it: readings in, hops and events out.
pub struct Station<D> {
    detector: D,
    decider: Decider,
    readings: u64,
}

/// A [`Pipeline`] without its engine.
pub struct Suspended {
    ear: Ear,
    decider: Decider,
    readings: u64,
}

impl Suspended {
    /// Returns whether there is an alarm.
    pub fn alarm(&self) -> bool {
        self.decider.alarm()
    }
}

/// A station with a network behind its front end: both, and the decision, are the artifact's.
pub type Pipeline<'m, 'a, P = Parsed<'m, 'a>> = Station<Network<'m, 'a, P>>;

impl<'m, 'a, P: Plan<'m>> Pipeline<'m, 'a, P> {
    /// Returns a pipeline for samples at `sensor_rate`, with the front end that the engine's artifact carries.
    ///
    /// # Errors
    ///
    /// An artifact without a front end, or one whose features do not fit the model's input; a model whose output is not
    /// one score; a rate that the resampler cannot bridge.
    #[inline(never)] // What it builds on the stack is gone when the pipeline runs.
    pub fn new(engine: Engine<'m, 'a, P>, sensor_rate: Rate) -> Result<Self, PipelineError> {
        let ear = Ear::new(engine.plan(), sensor_rate)?;
        let decision = ear.front_end().decision;
        Ok(Self::with(Network::with(engine, ear), decision)?)
    }

    /// Says whether a pipeline can be made of `plan`.
    ///
    /// # Errors
    ///
    /// As [`Pipeline::new`].
    pub fn check(plan: &P, sensor_rate: Rate) -> Result<(), PipelineError> {
        let ear = Ear::new(plan, sensor_rate)?;
        Ok(ear.front_end().decision.validate()?)
    }

    /// Takes the pipeline off its engine, whose model and arena are free then.
    pub fn suspend(self) -> Suspended {
        let Self { detector, decider, readings } = self;
        Suspended { ear: detector.into_ear(), decider, readings }
    }

    /// Goes on with an engine of the same model or another one.
    ///
    /// With the same front end nothing is lost: window, running average, gate and votes are as they were, and the next score is the one that
    /// this model gives from the beginning. With another one the window and the average begin anew. An alarm stays in any case: none is
    /// raised or ended by the change. States of the model start over.
    ///
    /// # Errors
    ///
    /// As [`Pipeline::new`].
    pub fn resume(suspended: Suspended, engine: Engine<'m, 'a, P>, sensor_rate: Rate) -> Result<Self, PipelineError> {
        let Suspended { ear, mut decider, readings } = suspended;
        let fresh = Ear::new(engine.plan(), sensor_rate)?;
        let same = fresh.front_end() == ear.front_end();
        let ear = if same { ear } else { fresh };
        if !same {
            ear.front_end().decision.validate()?;
            decider.change(ear.front_end().decision);
        }
        Ok(Self { detector: Network::with(engine, ear), decider, readings })
    }

    /// Returns the front end.
    pub fn front_end(&self) -> &FrontEnd {
        self.detector.front_end()
    }

    /// Returns the engine.
    pub fn engine(&self) -> &Engine<'m, 'a, P> {
        self.detector.engine()
    }
}

impl<D: Detector> Station<D> {
    /// Returns a station of a detector and a decision on the detector's scale.
    ///
    /// # Errors
    ///
    /// A decision out of range.
    pub fn with(detector: D, decision: Decision) -> Result<Self, FrontEndError> {
        decision.validate()?;
        Ok(Self { detector, decider: Decider::new(decision), readings: 0 })
    }

    /// Returns the detector.
    pub fn detector(&self) -> &D {
        &self.detector
    }

    /// Takes one reading of `time_us` and hands each hop that it completes to `on_hop`.
    ///
    /// While the detector cannot judge, an alarm stays as it is, and votes for one lapse.
    ///
    /// # Errors
    ///
    /// The detector's.
    pub fn push(&mut self, time_us: u64, reading: D::Reading, mut on_hop: impl FnMut(Hop)) -> Result<(), D::Error> {
        let Self { detector, decider, readings } = self;
        let sample = *readings;
        *readings = readings.saturating_add(1);
        detector.push(time_us, reading, |scored| {
            let score = scored.score;
            let change = if scored.ready {
                decider.update(score)
            } else {
                decider.lapse();
                None
            };
            on_hop(Hop {
                time_us,
                sample,
                ready: scored.ready,
                gate_q8: scored.gate_q8,
                score,
                alarm: decider.alarm(),
                event: change.map(|change| Event { change, time_us, sample, score }),
            });
        })
    }

    /// Goes on after lost readings or a clock that was set: what is missing raises no alarm and ends none.
    pub fn restart(&mut self) {
        self.detector.restart();
        self.decider.lapse();
    }
}
