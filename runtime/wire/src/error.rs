//! Why bytes are refused, or cannot be made.

use core::fmt;

use crate::{Direction, MAX_FRAME};

/// Bytes that are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Too short for header and tag, or longer than [`MAX_FRAME`].
    Length {
        /// Length of the frame, bytes.
        bytes: usize,
        /// Least length on that link, bytes.
        least: usize,
    },
    /// A version that this release does not read.
    Version(u8),
    /// A kind that version 1 does not have.
    Kind(u8),
    /// A kind that goes the other way.
    Direction {
        /// The kind.
        kind: u8,
        /// The direction that it goes.
        goes: Direction,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { bytes, least } => write!(f, "{bytes} bytes: a frame has {least} to {MAX_FRAME}"),
            Self::Version(version) => {
                write!(f, "frame version {version}: this release reads version 1; update the receiver")
            }
            Self::Kind(kind) => write!(f, "kind {kind} is none of version 1"),
            Self::Direction { kind, goes: Direction::Up } => write!(f, "kind {kind} goes from node to gateway only"),
            Self::Direction { kind, goes: Direction::Down } => write!(f, "kind {kind} goes from gateway to node only"),
        }
    }
}

impl core::error::Error for FrameError {}

/// A frame that is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The tag is not this node's, or something was changed, or the counter's upper half is not the expected one.
    Tag,
    /// Authentic, but older than the window: it may have been accepted before.
    Stale {
        /// The frame's number.
        counter: u32,
    },
    /// Authentic, but the message is none: sender and receiver disagree about version 1.
    Body(BodyError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag => f.write_str("not authentic: another node's or key's, changed, or its counter out of reach"),
            Self::Stale { counter } => write!(f, "number {counter} is older than the window of accepted numbers"),
            Self::Body(error) => write!(f, "authentic, but {error}"),
        }
    }
}

impl core::error::Error for OpenError {}

/// What is wrong with a message's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The body has another length than its kind says.
    Length {
        /// Kind of the message.
        kind: u8,
        /// Length of the body, bytes.
        bytes: usize,
    },
    /// A field has a value without meaning.
    Value {
        /// Name of the field.
        field: &'static str,
        /// What it holds.
        value: u32,
    },
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { kind, bytes } => write!(f, "a message of kind {kind} has no body of {bytes} bytes"),
            Self::Value { field, value } => write!(f, "the field {field} cannot be {value}"),
        }
    }
}

impl core::error::Error for BodyError {}

/// A message that cannot be sent so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealError {
    /// A field of the message has a value that its place in the frame cannot hold.
    Value {
        /// Name of the field.
        field: &'static str,
    },
    /// The frame would be longer than [`MAX_FRAME`]: send fewer values at once.
    TooLong,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { field } => write!(f, "the frame has no room for this value of {field}"),
            Self::TooLong => write!(f, "longer than {MAX_FRAME} bytes: send fewer values at once"),
        }
    }
}

impl core::error::Error for SealError {}
