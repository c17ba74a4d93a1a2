//! What can go wrong: where, why, and what to do.

use std::fmt;
use std::path::Path;

#[cfg(any(feature = "onnx", feature = "tflite", feature = "run"))]
use tanbo_compiler::CompileError;

/// An error with its place and remedy; shown as `place: reason; remedy`, what else is wrong on lines of its own.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CliError {
    /// File, argument, tensor or node.
    pub place: String,
    /// What is wrong.
    pub reason: String,
    /// What the user can do about it; may be empty where the reason says it.
    pub remedy: String,
    /// What else stands in the way, in the order of the file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<CliError>,
}

impl CliError {
    /// Returns an error at `place`.
    pub fn new(place: impl fmt::Display, reason: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self { place: place.to_string(), reason: reason.to_string(), remedy: remedy.to_string(), others: Vec::new() }
    }

    /// Returns the error of a file operation.
    pub fn file(path: &Path, error: &std::io::Error) -> Self {
        Self::new(path.display(), error, "check the path and its permissions")
    }

    /// Returns an error at a place in a file.
    #[cfg(any(feature = "onnx", feature = "tflite", feature = "run"))]
    pub fn compile(path: &Path, error: CompileError) -> Self {
        Self::new(format_args!("{}: {}", path.display(), error.place), error.reason, error.remedy)
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        self.others.iter().try_for_each(|other| write!(f, "\nalso:  {other}"))
    }
}

impl std::error::Error for CliError {}

#[cfg(feature = "run")]
impl From<tanbo_emulated::host::RunnerError> for CliError {
    fn from(error: tanbo_emulated::host::RunnerError) -> Self {
        // The driver's messages name their place and remedy themselves.
        Self::new("runner", error, "")
    }
}

#[cfg(feature = "probe")]
impl From<tanbo_probe::ProbeError> for CliError {
    fn from(error: tanbo_probe::ProbeError) -> Self {
        Self::new("probe", &error, error.remedy())
    }
}
