//! The state machine.

use tanbo::{ElementType, Engine, EngineError, Model, Tensor};
use tanbo_signal::{FeatureExtractor, FrontEnd, Rate, Resampler, Sample};

use crate::decision::{Change, Decider, GateKeeper};
use crate::error::PipelineError;

/// An alarm that begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happens.
    pub change: Change,
    /// Time of the sample that completed the decision, as given to [`Pipeline::push`], in microseconds.
    pub time_us: u64,
    /// Index of that sample at the sensor's rate, counted from 0.
    pub sample: u64,
    /// Score of the hop (quantized); `None` where the gate had closed.
    pub score: Option<i8>,
}

/// One hop: what the pipeline saw and decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Time of the sample that completed the hop, in microseconds.
    pub time_us: u64,
    /// Index of that sample at the sensor's rate.
    pub sample: u64,
    /// False while the window fills and the running average warms up.
    pub ready: bool,
    /// Short-term over running-average energy, log2 in Q8.
    pub gate_q8: i32,
    /// Score of the model (quantized), where the gate is open and the model ran.
    pub score: Option<i8>,
    /// Whether there is an alarm after this hop.
    pub alarm: bool,
    /// The change of the decision, if this hop brought one.
    pub event: Option<Event>,
}

/// Samples in, hops and events out.
pub struct Pipeline<'m, 'a> {
    engine: Engine<'m, 'a>,
    resampler: Resampler,
    extractor: FeatureExtractor,
    gate: GateKeeper,
    decider: Decider,
    samples: u64,
}

/// Returns whether `tensor` is quantized as the front end quantizes features. A scale is a power of two, so `==` is exact.
fn takes_features(tensor: &Tensor<'_>, front_end: &FrontEnd) -> bool {
    let steps_per_unit = 256u32 >> front_end.feature_shift.min(8);
    let unit_steps = 1u32 << front_end.feature_shift.saturating_sub(8).min(31);
    tensor.scale * steps_per_unit as f32 == unit_steps as f32
        && tensor.zero_point == i32::from(front_end.feature_zero_point)
}

fn only_tensor<'m>(model: &Model<'m>, numbers: &[u16]) -> Result<Tensor<'m>, PipelineError> {
    match numbers {
        [number] => model.tensor(*number).filter(|tensor| tensor.ty == ElementType::I8).ok_or(PipelineError::NotAScore),
        _ => Err(PipelineError::NotAScore),
    }
}

impl<'m, 'a> Pipeline<'m, 'a> {
    /// Returns a pipeline for samples at `sensor_rate`, with the front end that the engine's artifact carries.
    ///
    /// # Errors
    ///
    /// An artifact without a front end, or one whose features do not fit the model's input; a model whose output is not
    /// one score; a rate that the resampler cannot bridge.
    pub fn new(engine: Engine<'m, 'a>, sensor_rate: Rate) -> Result<Self, PipelineError> {
        let model = *engine.model();
        if model.front_end().is_empty() {
            return Err(PipelineError::NoFrontEnd);
        }
        let front_end = FrontEnd::decode(model.front_end())?;
        let input = only_tensor(&model, model.inputs())?;
        let features = front_end.feature_count();
        if input.elements() != features {
            return Err(PipelineError::InputLength { features, elements: input.elements() });
        }
        if !takes_features(&input, &front_end) {
            return Err(PipelineError::InputQuantization { scale: input.scale, zero_point: input.zero_point });
        }
        if only_tensor(&model, model.outputs())?.elements() != 1 {
            return Err(PipelineError::NotAScore);
        }
        Ok(Self {
            resampler: Resampler::new(sensor_rate, front_end.rate)?,
            gate: GateKeeper::new(front_end.gate),
            decider: Decider::new(front_end.decision),
            extractor: FeatureExtractor::new(front_end)?,
            engine,
            samples: 0,
        })
    }

    /// Returns the front end.
    pub fn front_end(&self) -> &FrontEnd {
        self.extractor.front_end()
    }

    /// Returns the engine.
    pub fn engine(&self) -> &Engine<'m, 'a> {
        &self.engine
    }

    /// Takes one sample (mGal per axis, see `tanbo-signal`) read at `time_us` and hands each hop that it completes to
    /// `on_hop`: none mostly, one every hop length.
    ///
    /// Samples come at the sensor's rate, without gaps; `time_us` is only passed on.
    ///
    /// # Errors
    ///
    /// The engine's, which an artifact that parsed does not give.
    pub fn push(&mut self, time_us: u64, sample: Sample, mut on_hop: impl FnMut(Hop)) -> Result<(), PipelineError> {
        let Self { engine, resampler, extractor, gate, decider, samples } = self;
        let index = *samples;
        *samples = samples.saturating_add(1);
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
            let change = if hop.ready { decider.update(score) } else { None };
            on_hop(Hop {
                time_us,
                sample: index,
                ready: hop.ready,
                gate_q8: hop.gate_q8,
                score,
                alarm: decider.alarm(),
                event: change.map(|change| Event { change, time_us, sample: index, score }),
            });
        });
        result
    }
}

fn infer(engine: &mut Engine<'_, '_>, extractor: &FeatureExtractor) -> Result<i8, EngineError> {
    extractor.features(engine.input_mut(0)?);
    engine.run()?;
    engine.output(0)?.first().copied().ok_or(EngineError::NoSuchTensor)
}
