//! Why the station stops before the recording ends.

use core::fmt;
use tanbo::EngineError;
use tanbo_emulated::{files::FileError, stack::StackOverflow};
use tanbo_pipeline::{PipelineError, recording::RecordingError};

/// Why the station stops.
#[derive(Debug)]
pub enum Stop<'n> {
    /// RAM or arena are in use: the station was started twice.
    Taken,
    /// The recording's file.
    File {
        /// Its path.
        name: &'n str,
        /// What is wrong with it.
        error: FileError,
    },
    /// The recording.
    Recording(RecordingError),
    /// The pipeline.
    Pipeline(PipelineError),
    /// The stack ran out.
    Stack(StackOverflow),
}

impl fmt::Display for Stop<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken => f.write_str("RAM or arena in use: the station was started twice"),
            Self::File { name, error } => write!(f, "{name}: {error}; the argument is the recording's path"),
            Self::Recording(error) => error.fmt(f),
            Self::Pipeline(error) => error.fmt(f),
            Self::Stack(overflow) => write!(f, "the stack of {} bytes ran out", overflow.available),
        }
    }
}

impl From<RecordingError> for Stop<'_> {
    fn from(error: RecordingError) -> Self {
        Self::Recording(error)
    }
}

impl From<EngineError> for Stop<'_> {
    fn from(error: EngineError) -> Self {
        Self::Pipeline(error.into())
    }
}

impl From<PipelineError> for Stop<'_> {
    fn from(error: PipelineError) -> Self {
        Self::Pipeline(error)
    }
}
