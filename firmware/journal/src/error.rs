//! Why an inference cannot be kept or go on.

use core::fmt;

use tanbo::EngineError;

/// A journal's refusal; `E` is the memory's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalError<E> {
    /// The memory.
    Memory(E),
    /// The engine.
    Engine(EngineError),
    /// The range of the memory cannot hold everything that counts at some point of an inference, twice.
    TooSmall {
        /// Bytes needed.
        needed: u32,
        /// Bytes given.
        given: u32,
    },
    /// The buffer is not a whole number of the memory's pages.
    Buffer,
    /// [`crate::Journal::begin`] has not been called since the inference before ended.
    NotBegun,
    /// The inference before has not ended: [`crate::Journal::run`] ends it, [`crate::Journal::reset`] gives it up.
    Unfinished,
}

impl<E> From<EngineError> for JournalError<E> {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl<E: fmt::Display> fmt::Display for JournalError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(error) => write!(f, "the journal's memory: {error}"),
            Self::Engine(error) => error.fmt(f),
            Self::TooSmall { needed, given } => {
                write!(f, "the journal has {given} bytes, the model needs {needed}")
            }
            Self::Buffer => f.write_str("the journal's buffer must be a whole number of the memory's pages"),
            Self::NotBegun => f.write_str("no inference has begun: Journal::begin"),
            Self::Unfinished => {
                f.write_str("the inference before has not ended: end it with Journal::run, or Journal::reset")
            }
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for JournalError<E> {}
