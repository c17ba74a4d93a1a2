//! What every function returns.

use core::ffi::CStr;

use tanbo::{EngineError, FormatError, FormatErrorKind, Progress};

/// What a function returns: 0 and above is fine, below 0 nothing was done.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Done; of a step or a row, the outputs are ready.
    Done = 0,
    /// There is more to do: call `tanbo_engine_step` again.
    More = 1,
    /// The next row of the first input is wanted: call `tanbo_engine_input_row`.
    Input = 2,
    /// A pointer is null.
    Null = -1,
    /// A pointer is not aligned as its type asks.
    Misaligned = -2,
    /// A length that no object can have.
    Length = -3,
    /// The storage holds nothing: make it with `tanbo_model_parse` or `tanbo_engine_new` first. A copy of it holds nothing either.
    NotReady = -4,
    /// Two memories overlap that must not: arena, artifact, storage.
    Overlap = -5,
    /// The list of operators holds a null pointer, or has more entries than there are operators.
    OperatorList = -6,
    /// The bytes are no artifact, or not all of one.
    NotAnArtifact = -7,
    /// The artifact has another version of the format: compile the model again.
    OtherVersion = -8,
    /// The artifact does not begin at a 16-byte boundary.
    ArtifactMisaligned = -9,
    /// The artifact is damaged: `tanbo_fault_text` tells where.
    BadArtifact = -10,
    /// An operator of the model is not in the list: `tanbo_fault_text` tells which step needs it.
    MissingOperator = -11,
    /// The constants of a step are packed for other kernels than those listed.
    MissingPacking = -12,
    /// The list has kernels that this library or CPU does not have.
    Unavailable = -13,
    /// The arena has fewer bytes than `tanbo_model_arena_bytes`.
    ArenaTooSmall = -14,
    /// The arena does not begin at a 16-byte boundary.
    ArenaMisaligned = -15,
    /// The model has no such input or output.
    NoSuchTensor = -16,
    /// The first input comes row by row: `tanbo_engine_input_row`.
    InputByRows = -17,
    /// The first input is a whole tensor: `tanbo_engine_input`.
    InputIsWhole = -18,
    /// The row has another length than rows of the first input.
    RowLength = -19,
    /// Rows are of int8 inputs only.
    NotInt8 = -20,
    /// A step cannot go on. No artifact that was parsed gives it.
    Step = -21,
}

impl Status {
    /// Every code.
    const ALL: &[Self] = &[
        Self::Done,
        Self::More,
        Self::Input,
        Self::Null,
        Self::Misaligned,
        Self::Length,
        Self::NotReady,
        Self::Overlap,
        Self::OperatorList,
        Self::NotAnArtifact,
        Self::OtherVersion,
        Self::ArtifactMisaligned,
        Self::BadArtifact,
        Self::MissingOperator,
        Self::MissingPacking,
        Self::Unavailable,
        Self::ArenaTooSmall,
        Self::ArenaMisaligned,
        Self::NoSuchTensor,
        Self::InputByRows,
        Self::InputIsWhole,
        Self::RowLength,
        Self::NotInt8,
        Self::Step,
    ];

    fn text(self) -> &'static CStr {
        match self {
            Self::Done => c"done",
            Self::More => c"there is more to do: call tanbo_engine_step again",
            Self::Input => c"the next row of the first input is wanted: call tanbo_engine_input_row",
            Self::Null => c"a pointer is null",
            Self::Misaligned => c"a pointer is not aligned as its type asks",
            Self::Length => c"a length that no object can have",
            Self::NotReady => c"the storage holds nothing: make it first, and do not copy or move it",
            Self::Overlap => c"arena, artifact and storage must not overlap",
            Self::OperatorList => c"the list of operators holds a null pointer or is longer than there are operators",
            Self::NotAnArtifact => c"not an artifact, or not all of one",
            Self::OtherVersion => c"made for another version of the format: compile the model again",
            Self::ArtifactMisaligned => c"the artifact must begin at a 16-byte boundary",
            Self::BadArtifact => c"the artifact is damaged",
            Self::MissingOperator => c"an operator of the model is not in the list",
            Self::MissingPacking => {
                c"constants are packed for other kernels than those listed: compile the model for this family"
            }
            Self::Unavailable => c"the list has kernels that this library or this CPU does not have",
            Self::ArenaTooSmall => c"the arena has fewer bytes than the model needs",
            Self::ArenaMisaligned => c"the arena must begin at a 16-byte boundary",
            Self::NoSuchTensor => c"no such input or output",
            Self::InputByRows => c"the first input comes row by row: call tanbo_engine_input_row",
            Self::InputIsWhole => c"the first input is a whole tensor: write it and call tanbo_engine_run",
            Self::RowLength => c"a row of another length than rows of the first input",
            Self::NotInt8 => c"rows are of int8 inputs only",
            Self::Step => c"a step cannot go on",
        }
    }
}

/// Returns the text of a code; of a number that is no code, what says so.
pub fn text(code: i32) -> &'static CStr {
    let status = Status::ALL.iter().find(|&&status| status as i32 == code);
    status.map_or(c"not a status of this library", |status| status.text())
}

/// Why a function did nothing.
#[derive(Clone, Copy, Debug)]
pub enum Refusal {
    /// What the caller passed.
    Argument(Status),
    /// What the artifact is.
    Artifact(FormatError),
    /// What the engine is asked.
    Engine(EngineError),
}

impl Refusal {
    /// Returns its code.
    pub fn status(&self) -> Status {
        match self {
            Self::Argument(status) => *status,
            Self::Artifact(error) => match error.kind {
                FormatErrorKind::Length | FormatErrorKind::Magic => Status::NotAnArtifact,
                FormatErrorKind::Abi => Status::OtherVersion,
                FormatErrorKind::Misaligned => Status::ArtifactMisaligned,
                FormatErrorKind::Operator => Status::MissingOperator,
                _ => Status::BadArtifact,
            },
            Self::Engine(error) => match error {
                EngineError::MissingOperator { .. } => Status::MissingOperator,
                EngineError::MissingPacking { .. } => Status::MissingPacking,
                EngineError::Unavailable { .. } => Status::Unavailable,
                EngineError::ArenaTooSmall { .. } => Status::ArenaTooSmall,
                EngineError::ArenaMisaligned => Status::ArenaMisaligned,
                EngineError::NoSuchTensor | EngineError::NoSuchChain => Status::NoSuchTensor,
                EngineError::NotInt8 => Status::NotInt8,
                EngineError::InputByRows => Status::InputByRows,
                EngineError::InputIsWhole => Status::InputIsWhole,
                EngineError::RowLength { .. } => Status::RowLength,
                // This library asks for no positions and no lifetimes.
                EngineError::Step(_) | EngineError::Position | EngineError::Lifetimes => Status::Step,
            },
        }
    }
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Argument(status) => f.write_str(text(*status as i32).to_str().unwrap_or_default()),
            Self::Artifact(error) => error.fmt(f),
            Self::Engine(error) => error.fmt(f),
        }
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self::Argument(status)
    }
}

impl From<FormatError> for Refusal {
    fn from(error: FormatError) -> Self {
        Self::Artifact(error)
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<Progress> for Status {
    fn from(progress: Progress) -> Self {
        match progress {
            Progress::Done => Self::Done,
            Progress::More => Self::More,
            Progress::Input => Self::Input,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Status, text};

    #[test]
    fn every_code_has_a_text_of_its_own() {
        let codes: Vec<i32> = Status::ALL.iter().map(|&status| status as i32).collect();
        // Downwards without a gap: none was forgotten.
        let expected: Vec<i32> = [0, 1, 2].into_iter().chain((1..=21).map(|code: i32| -code)).collect();
        assert_eq!(codes, expected);
        let mut texts: Vec<_> = (-22..=2).map(text).collect();
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), codes.len() + 1);
    }
}
