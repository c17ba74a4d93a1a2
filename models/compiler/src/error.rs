//! What can go wrong between a model file and an artifact: where, why, and what to do.

use std::fmt;

/// A refusal or failure with its place and remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileError {
    /// Kind, for programs.
    pub kind: CompileErrorKind,
    /// Source node, tensor or byte position.
    pub place: String,
    /// What is wrong.
    pub reason: String,
    /// What the user can do about it.
    pub remedy: String,
}

/// Kinds of [`CompileError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompileErrorKind {
    /// The file is damaged or not of its format.
    Malformed,
    /// A well-formed model that cannot be run exactly.
    Unsupported,
    /// The model's own parts contradict one another (shapes, types, quantization).
    Inconsistent,
    /// A limit of the artifact or of the compiler is exceeded.
    TooLarge,
}

impl CompileError {
    /// Returns an error of `kind` at `place`.
    pub fn new(
        kind: CompileErrorKind,
        place: impl Into<String>,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { kind, place: place.into(), reason: reason.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.reason, self.remedy)
    }
}

impl std::error::Error for CompileError {}
