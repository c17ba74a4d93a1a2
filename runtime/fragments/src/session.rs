//! What both sides know of a transfer.

use core::fmt;

use crate::line::MAX_FRAGMENTS;

/// Longest fragment, bytes: what LoRaWAN's fastest data rates carry beside 3 bytes of header.
pub const MAX_FRAGMENT_BYTES: usize = 239;

/// A block and how it is cut: `fragments` fragments of `fragment_bytes` bytes, the last one filled up with `padding` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    index: u8,
    fragments: u16,
    fragment_bytes: u8,
    padding: u8,
    /// What the block is, as sender and receiver have agreed.
    pub descriptor: [u8; 4],
}

/// Why there is no such session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionError {
    /// There are 4 sessions.
    Index(u8),
    /// Fragments have 1 to [`MAX_FRAGMENT_BYTES`] bytes.
    FragmentBytes(usize),
    /// A block has 1 to [`MAX_FRAGMENTS`] fragments.
    Fragments(usize),
    /// More filling than the last fragment has bytes.
    Padding(u8),
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "session {index}; there are 0 to 3"),
            Self::FragmentBytes(bytes) => {
                write!(f, "fragments of {bytes} bytes; 1 to {MAX_FRAGMENT_BYTES} can be sent")
            }
            Self::Fragments(count) => {
                write!(f, "{count} fragments; a block has 1 to {MAX_FRAGMENTS}: make them longer")
            }
            Self::Padding(bytes) => write!(f, "{bytes} bytes of padding are a fragment or more"),
        }
    }
}

impl core::error::Error for SessionError {}

impl Session {
    /// Returns the session in which a block of `bytes` bytes goes in fragments of `fragment_bytes`.
    ///
    /// # Errors
    /// [`SessionError`].
    pub fn new(index: u8, bytes: usize, fragment_bytes: usize, descriptor: [u8; 4]) -> Result<Self, SessionError> {
        let size = u8::try_from(fragment_bytes).ok().filter(|size| *size > 0);
        let size = size.ok_or(SessionError::FragmentBytes(fragment_bytes))?;
        let count = bytes.div_ceil(fragment_bytes);
        let fragments = u16::try_from(count).map_err(|_| SessionError::Fragments(count))?;
        let padding = (usize::from(fragments) * fragment_bytes).saturating_sub(bytes) as u8;
        Self::of(index, fragments, size, padding, descriptor)
    }

    pub(crate) fn of(
        index: u8,
        fragments: u16,
        fragment_bytes: u8,
        padding: u8,
        descriptor: [u8; 4],
    ) -> Result<Self, SessionError> {
        if index > 3 {
            Err(SessionError::Index(index))
        } else if !(1..=MAX_FRAGMENT_BYTES).contains(&usize::from(fragment_bytes)) {
            Err(SessionError::FragmentBytes(fragment_bytes.into()))
        } else if !(1..=MAX_FRAGMENTS).contains(&fragments) {
            Err(SessionError::Fragments(fragments.into()))
        } else if padding >= fragment_bytes {
            Err(SessionError::Padding(padding))
        } else {
            Ok(Self { index, fragments, fragment_bytes, padding, descriptor })
        }
    }

    /// Returns which of the four sessions it is.
    pub fn index(&self) -> u8 {
        self.index
    }

    /// Returns the number of uncoded fragments.
    pub fn fragments(&self) -> u16 {
        self.fragments
    }

    /// Returns the length of a fragment, bytes.
    pub fn fragment_bytes(&self) -> usize {
        self.fragment_bytes.into()
    }

    /// Returns the filling of the last fragment, bytes.
    pub fn padding(&self) -> u8 {
        self.padding
    }

    /// Returns the length of the block, bytes.
    pub fn block_bytes(&self) -> usize {
        self.padded_bytes().saturating_sub(self.padding.into())
    }

    /// Returns the length of all fragments, bytes.
    pub fn padded_bytes(&self) -> usize {
        usize::from(self.fragments) * self.fragment_bytes()
    }
}
