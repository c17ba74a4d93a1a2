//! What is wrong with a release.

use core::fmt;

use tanbo::EngineError;

use crate::golden::MAX_ROW_BYTES;
use crate::key::KeyId;

/// Why an artifact is not taken as a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseError {
    /// The bytes do not begin as an artifact.
    NoArtifact,
    /// Cut off, or something follows.
    Length {
        /// Length that the header states, bytes.
        stated: usize,
        /// Length that is there, bytes.
        given: usize,
    },
    /// The content is not what the header's hash says: damaged on its way.
    Hash,
    /// No signature.
    Unsigned,
    /// A signature of a kind that this version does not know.
    Scheme(u8),
    /// A field of the signature section has no such value.
    Record(&'static str),
    /// Nobody whom the receiver trusts signed it.
    UnknownKey(KeyId),
    /// The signature is not that key's over this content, name, version and self-test.
    Signature(KeyId),
    /// Not a public key of P-256.
    NoKey,
    /// An image of firmware with no record at its end.
    NoRecord,
}

impl ReleaseError {
    /// Returns the number that frames and the fault log have. A number is never given a second meaning.
    pub const fn code(self) -> u8 {
        match self {
            Self::NoArtifact => 1,
            Self::Length { .. } => 2,
            Self::Hash => 3,
            Self::Unsigned => 4,
            Self::Scheme(_) => 5,
            Self::Record(_) => 6,
            Self::UnknownKey(_) => 7,
            Self::Signature(_) => 8,
            Self::NoKey => 9,
            Self::NoRecord => 10,
        }
    }
}

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoArtifact => f.write_str("no artifact"),
            Self::NoRecord => f.write_str("no record of a signature at its end: cut off, or not signed firmware"),
            Self::Length { stated, given } => write!(f, "{given} bytes of an artifact of {stated}"),
            Self::Hash => f.write_str("the content is not what its hash says: damaged"),
            Self::Unsigned => f.write_str("no signature: `tanbo sign` adds one"),
            Self::Scheme(scheme) => write!(f, "a signature of scheme {scheme}; this version knows 1"),
            Self::Record(field) => write!(f, "the signature section is damaged: {field}"),
            Self::UnknownKey(key) => write!(f, "signed with the key {key}, which is not among those trusted"),
            Self::Signature(key) => write!(f, "not what the key {key} signed"),
            Self::NoKey => f.write_str("not a public key of P-256: 65 bytes, 4 first, then a point of the curve"),
        }
    }
}

impl core::error::Error for ReleaseError {}

/// Why a self-test failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelfTestError {
    /// The engine.
    Engine(EngineError),
    /// An input comes by rows longer than [`MAX_ROW_BYTES`].
    Row {
        /// Length of one, bytes.
        bytes: usize,
    },
    /// The outputs are others than where it was signed.
    Outputs,
}

impl fmt::Display for SelfTestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine(error) => error.fmt(f),
            Self::Row { bytes } => {
                write!(f, "rows of {bytes} bytes; a self-test gives rows of {MAX_ROW_BYTES} at most")
            }
            Self::Outputs => f.write_str("the model does not compute here what it computed where it was signed"),
        }
    }
}

impl core::error::Error for SelfTestError {}

impl From<EngineError> for SelfTestError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}
