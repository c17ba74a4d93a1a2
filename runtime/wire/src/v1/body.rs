//! Fields of a body, little-endian, read from the front of a slice.

use crate::{BodyError, Frame, SealError};

/// What is left of a body that is being read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    kind: u8,
    bytes: usize,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(kind: u8, body: &'a [u8]) -> Self {
        Self { kind, bytes: body.len(), rest: body }
    }

    pub fn length(&self) -> BodyError {
        BodyError::Length { kind: self.kind, bytes: self.bytes }
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], BodyError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(self.length())?;
        self.rest = rest;
        Ok(*array)
    }

    pub fn u8(&mut self) -> Result<u8, BodyError> {
        self.array().map(u8::from_le_bytes)
    }

    pub fn i8(&mut self) -> Result<i8, BodyError> {
        self.array().map(i8::from_le_bytes)
    }

    pub fn u16(&mut self) -> Result<u16, BodyError> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, BodyError> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn i32(&mut self) -> Result<i32, BodyError> {
        self.array().map(i32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, BodyError> {
        self.array().map(u64::from_le_bytes)
    }

    /// All that is left.
    pub fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Nothing must be left.
    pub fn end(self) -> Result<(), BodyError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.length()) }
    }
}

/// Appends to a frame.
pub(super) fn put(frame: &mut Frame, bytes: &[u8]) -> Result<(), SealError> {
    frame.extend_from_slice(bytes).map_err(|_| SealError::TooLong)
}

/// Returns `value`, or the value that stands for none.
pub(super) fn or_none<T: PartialEq>(value: Option<T>, none: T, field: &'static str) -> Result<T, SealError> {
    match value {
        Some(value) if value == none => Err(SealError::Value { field }),
        Some(value) => Ok(value),
        None => Ok(none),
    }
}

/// Returns `value`, or nothing where it is the one that stands for none.
pub(super) fn unless<T: PartialEq>(value: T, none: T) -> Option<T> {
    (value != none).then_some(value)
}
