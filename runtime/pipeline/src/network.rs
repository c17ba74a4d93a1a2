//! A network behind its front end.

use tanbo::{ElementType, Engine, EngineError, Parsed, Plan, Port};
use tanbo_signal::{FeatureExtractor, FrontEnd, Rate, Resampler, Sample};

use crate::decision::GateKeeper;
use crate::detector::{Detector, Scored};
use crate::error::PipelineError;

/// The detector that an artifact describes: resampler, features, gate, engine.
pub struct Network<'m, 'a, P: Plan<'m> = Parsed<'m, 'a>> {
    engine: Engine<'m, 'a, P>,
    ear: Ear,
}

/// What a network keeps of the readings, and its engine does not.
pub(crate) struct Ear {
    resampler: Resampler,
    extractor: FeatureExtractor,
    gate: GateKeeper,
}

/// Returns whether `port` is quantized as the front end quantizes features: by 2^(`feature_shift` − 8). Compared by its bits, so that
/// a core without floats needs no library for them.
fn takes_features(port: &Port<'_>, front_end: &FrontEnd) -> bool {
    let scale = f32::from_bits((u32::from(front_end.feature_shift) + 127 - 8) << 23);
    port.scale.to_bits() == scale.to_bits() && port.zero_point == i32::from(front_end.feature_zero_point)
}

/// Returns the int8 tensor that is the only one of `ports`: the first two, if there are as many.
fn only_tensor<'m>(ports: [Option<Port<'m>>; 2]) -> Result<Port<'m>, PipelineError> {
    match ports {
        [Some(port), None] if port.ty == ElementType::I8 => Ok(port),
        _ => Err(PipelineError::NotAScore),
    }
}

impl Ear {
    /// Returns the ear of `plan`, for readings at this rate.
    pub(crate) fn new<'m, P: Plan<'m>>(plan: &P, sensor_rate: Rate) -> Result<Self, PipelineError> {
        if plan.front_end().is_empty() {
            return Err(PipelineError::NoFrontEnd);
        }
        if plan.streamed() {
            return Err(PipelineError::Streamed);
        }
        let front_end = FrontEnd::decode(plan.front_end())?;
        let input = only_tensor([0, 1].map(|index| plan.input(index)))?;
        let (features, elements) = (front_end.feature_count(), input.elements as usize);
        if elements != features {
            return Err(PipelineError::InputLength { features, elements });
        }
        if !takes_features(&input, &front_end) {
            return Err(PipelineError::InputQuantization { scale: input.scale, zero_point: input.zero_point });
        }
        if only_tensor([0, 1].map(|index| plan.output(index)))?.elements != 1 {
            return Err(PipelineError::NotAScore);
        }
        Ok(Self {
            resampler: Resampler::new(sensor_rate, front_end.rate)?,
            gate: GateKeeper::new(front_end.gate),
            extractor: FeatureExtractor::new(front_end)?,
        })
    }

    pub(crate) fn front_end(&self) -> &FrontEnd {
        self.extractor.front_end()
    }
}

impl<'m, 'a, P: Plan<'m>> Network<'m, 'a, P> {
    pub(crate) fn with(engine: Engine<'m, 'a, P>, ear: Ear) -> Self {
        Self { engine, ear }
    }

    pub(crate) fn into_ear(self) -> Ear {
        self.ear
    }

    /// Returns the front end.
    pub fn front_end(&self) -> &FrontEnd {
        self.ear.front_end()
    }

    /// Returns the engine.
    pub fn engine(&self) -> &Engine<'m, 'a, P> {
        &self.engine
    }
}

impl<'m, P: Plan<'m>> Detector for Network<'m, '_, P> {
    /// mGal per axis: see `tanbo-signal`.
    type Reading = Sample;
    /// The engine's, which an artifact that parsed does not give.
    type Error = PipelineError;

    /// Samples come at the sensor's rate, without gaps; the time does not matter. After a gap, [`restart`](Self::restart).
    fn push(&mut self, _: u64, sample: Sample, mut on_hop: impl FnMut(Scored)) -> Result<(), PipelineError> {
        let Self { engine, ear: Ear { resampler, extractor, gate } } = self;
        let mut result = Ok(());
        resampler.push(sample, |resampled| {
            let Some(hop) = extractor.push(resampled) else { return };
            let score = if hop.ready && gate.update(hop.gate_q8) {
                match infer(engine, extractor) {
                    Ok(score) => Some(score),
                    Err(error) => {
                        result = Err(error.into());
                        return;
                    }
                }
            } else {
                None
            };
            on_hop(Scored { ready: hop.ready, gate_q8: hop.gate_q8, score });
        });
        result
    }

    /// The window fills anew, the running average stays, the gate closes. States of the model start over.
    fn restart(&mut self) {
        self.ear.resampler.restart();
        self.ear.extractor.restart();
        self.ear.gate.close();
        self.engine.reset();
    }
}

fn infer<'m, P: Plan<'m>>(engine: &mut Engine<'m, '_, P>, extractor: &FeatureExtractor) -> Result<i8, EngineError> {
    extractor.features(engine.input_mut(0)?);
    engine.run()?;
    engine.output(0)?.first().copied().ok_or(EngineError::NoSuchTensor)
}
