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
        let [place, reason, remedy] = [place.into(), reason.into(), remedy.into()].map(readable);
        Self { kind, place, reason, remedy }
    }
}

/// Returns text of a file as a terminal may see it: no control characters, and no list of a thousand numbers.
fn readable(text: String) -> String {
    /// Longest part of a message, in characters.
    const MOST: usize = 600;
    if text.len() <= MOST && !text.contains(char::is_control) {
        return text;
    }
    let mut clean: String = text.chars().take(MOST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(MOST).is_some() {
        clean.push_str(" ...");
    }
    clean
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.reason, self.remedy)
    }
}

impl std::error::Error for CompileError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_file_cannot_drive_a_terminal_or_flood_it() {
        let error = CompileError::new(CompileErrorKind::Malformed, "a\x1b[2Jb\n", "x".repeat(1 << 20), "do this");
        assert_eq!(error.place, "a\u{fffd}[2Jb\u{fffd}");
        assert_eq!(error.reason.len(), 604);
        assert_eq!(error.remedy, "do this");
    }
}
