//! Why a pipeline cannot be made or go on.

use core::fmt;

use tanbo::EngineError;
use tanbo_signal::{FrontEndError, ResampleError};

/// A pipeline's refusal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PipelineError {
    /// The artifact carries no front end: it takes tensors, not samples. Compile it with one.
    NoFrontEnd,
    /// The front end cannot be used.
    FrontEnd(FrontEndError),
    /// The sensor's rate cannot be brought to the model's.
    Resample(ResampleError),
    /// The model's input does not take the front end's features.
    InputLength {
        /// Features of the front end.
        features: usize,
        /// Elements of the model's input.
        elements: usize,
    },
    /// The model's input is quantized otherwise than the features.
    InputQuantization {
        /// Scale of the model's input.
        scale: f32,
        /// Zero point of the model's input.
        zero_point: i32,
    },
    /// The model takes in what a hop adds to its window; the front end's features of a whole window change with every hop.
    Streamed,
    /// The model has not exactly one input and one output, the output a single score.
    NotAScore,
    /// The engine's.
    Engine(EngineError),
}

impl fmt::Display for PipelineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFrontEnd => f.write_str(
                "the artifact carries no front end, so it takes tensors, not samples: compile the model with its front end",
            ),
            Self::FrontEnd(error) => error.fmt(f),
            Self::Resample(error) => error.fmt(f),
            Self::InputLength { features, elements } => {
                write!(f, "the front end yields {features} features, the model's input has {elements} elements")
            }
            Self::InputQuantization { scale, zero_point } => write!(
                f,
                "the model's input has scale {}/65536 and zero point {zero_point}, the front end's features another: the \
                 artifact was compiled with the front end of another model",
                // As an integer: printing floats takes 11 KB of flash.
                (scale * 65536.0) as u32
            ),
            Self::Streamed => f.write_str(
                "the artifact is streamed, and the front end measures a whole window against a running average, so that hops \
                 have no features of their own: compile the model without --stream",
            ),
            Self::NotAScore => {
                f.write_str("a detection model has one input and one output of one int8 element; this one has others")
            }
            Self::Engine(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for PipelineError {}

impl From<EngineError> for PipelineError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<FrontEndError> for PipelineError {
    fn from(error: FrontEndError) -> Self {
        Self::FrontEnd(error)
    }
}

impl From<ResampleError> for PipelineError {
    fn from(error: ResampleError) -> Self {
        Self::Resample(error)
    }
}
