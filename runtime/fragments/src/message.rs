//! Commands of TS004-1.0.0, chapter 3, and their answers.

use core::fmt;

use crate::session::{Session, SessionError};

/// LoRaWAN port that the standard proposes.
pub const PORT: u8 = 201;
/// Longest answer, bytes.
pub const MAX_ANSWER: usize = 5;
/// The standard's number and version of this package.
const PACKAGE: [u8; 2] = [3, 1];
/// The only coding that version 1 has.
const PARITY: u8 = 0;

mod code {
    pub const VERSION: u8 = 0;
    pub const STATUS: u8 = 1;
    pub const SETUP: u8 = 2;
    pub const DELETE: u8 = 3;
    pub const FRAGMENT: u8 = 8;
}

/// What a server asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Which package this is.
    PackageVersion,
    /// How far a session is.
    Status {
        /// The session.
        index: u8,
        /// Whether nodes that have everything answer too.
        all: bool,
    },
    /// A session begins; one of the same index ends.
    Setup {
        /// The session, or what is wrong with it.
        session: Result<Session, SessionError>,
        /// The session's index.
        index: u8,
        /// Coding; 0 is the one that is known here.
        algorithm: u8,
    },
    /// A session ends.
    Delete {
        /// The session.
        index: u8,
    },
    /// A fragment.
    Fragment {
        /// The session.
        index: u8,
        /// Number of the fragment, from 1.
        number: u16,
        /// The fragment.
        bytes: &'a [u8],
    },
}

/// Why a payload was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageError {
    /// No such command.
    Command(u8),
    /// Cut off within a command.
    Short(u8),
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(code) => write!(f, "no command {code} in TS004-1.0.0"),
            Self::Short(code) => write!(f, "command {code} is cut off"),
        }
    }
}

impl core::error::Error for MessageError {}

impl<'a> Request<'a> {
    /// Takes the first command off a payload.
    ///
    /// # Errors
    /// [`MessageError`]: nothing after it can be read.
    pub fn take(payload: &mut &'a [u8]) -> Result<Option<Self>, MessageError> {
        let Some((code, rest)) = payload.split_first() else { return Ok(None) };
        let short = MessageError::Short(*code);
        let (request, rest) = match *code {
            code::VERSION => (Self::PackageVersion, rest),
            code::STATUS => {
                let ([bits], rest) = rest.split_first_chunk().ok_or(short)?;
                (Self::Status { index: bits >> 1 & 3, all: bits & 1 == 1 }, rest)
            }
            code::SETUP => {
                let ([bits, low, high, bytes, control, padding, descriptor @ ..], rest) =
                    rest.split_first_chunk::<10>().ok_or(short)?;
                let index = bits >> 4 & 3;
                let fragments = u16::from_le_bytes([*low, *high]);
                let session = Session::of(index, fragments, *bytes, *padding, *descriptor);
                (Self::Setup { session, index, algorithm: control >> 3 & 7 }, rest)
            }
            code::DELETE => {
                let ([bits], rest) = rest.split_first_chunk().ok_or(short)?;
                (Self::Delete { index: bits & 3 }, rest)
            }
            code::FRAGMENT => {
                let (word, bytes) = rest.split_first_chunk().ok_or(short)?;
                let word = u16::from_le_bytes(*word);
                // All that is left is the fragment.
                (Self::Fragment { index: (word >> 14) as u8, number: word & 0x3fff, bytes }, &[][..])
            }
            code => return Err(MessageError::Command(code)),
        };
        *payload = rest;
        Ok(Some(request))
    }

    /// Writes the command to `into` and returns its length; `None` where it does not fit, or is a session that there is not.
    pub fn write(&self, into: &mut [u8]) -> Option<usize> {
        let mut put = Put { into, len: 0 };
        match *self {
            Self::PackageVersion => put.bytes(&[code::VERSION])?,
            Self::Status { index, all } => put.bytes(&[code::STATUS, index << 1 | u8::from(all)])?,
            Self::Setup { session, index, algorithm } => {
                let session = session.ok()?;
                let [low, high] = session.fragments().to_le_bytes();
                let size = session.fragment_bytes() as u8;
                put.bytes(&[code::SETUP, index << 4, low, high, size, algorithm << 3, session.padding()])?;
                put.bytes(&session.descriptor)?;
            }
            Self::Delete { index } => put.bytes(&[code::DELETE, index])?,
            Self::Fragment { index, number, bytes } => {
                put.bytes(&[code::FRAGMENT])?;
                put.bytes(&(u16::from(index) << 14 | number & 0x3fff).to_le_bytes())?;
                put.bytes(bytes)?;
            }
        }
        Some(put.len)
    }

    /// Returns the request that begins `session`.
    pub fn setup(session: Session) -> Self {
        Self::Setup { session: Ok(session), index: session.index(), algorithm: PARITY }
    }

    /// Returns whether this decoder knows the coding that a [`Request::Setup`] asks for.
    pub fn knows(algorithm: u8) -> bool {
        algorithm == PARITY
    }
}

struct Put<'a> {
    into: &'a mut [u8],
    len: usize,
}

impl Put<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.len.checked_add(bytes.len())?;
        self.into.get_mut(self.len..end)?.copy_from_slice(bytes);
        self.len = end;
        Some(())
    }
}

/// What a node answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The package and its version.
    PackageVersion,
    /// How far a session is.
    Status {
        /// The session.
        index: u8,
        /// Fragments that said something new.
        received: u16,
        /// Fragments still needed, 255 for as many or more.
        missing: u8,
        /// More were lost than the decoder can make up for.
        no_memory: bool,
    },
    /// Whether a session begins: not if one of these is set.
    Setup {
        /// The session.
        index: u8,
        /// The coding is not known.
        algorithm: bool,
        /// The block is too long, or the decoder lacks RAM for it.
        memory: bool,
        /// There is no such session.
        session: bool,
        /// The block is none that the node takes.
        descriptor: bool,
    },
    /// A session has ended.
    Delete {
        /// The session.
        index: u8,
        /// There was none.
        unknown: bool,
    },
}

impl Answer {
    /// Returns the bytes, and how many of them there are.
    pub fn to_bytes(self) -> ([u8; MAX_ANSWER], usize) {
        match self {
            Self::PackageVersion => ([code::VERSION, PACKAGE[0], PACKAGE[1], 0, 0], 3),
            Self::Status { index, received, missing, no_memory } => {
                let [low, high] = (u16::from(index) << 14 | received & 0x3fff).to_le_bytes();
                ([code::STATUS, low, high, missing, u8::from(no_memory)], 5)
            }
            Self::Setup { index, algorithm, memory, session, descriptor } => {
                let bits = [algorithm, memory, session, descriptor].into_iter().enumerate();
                let bits = bits.fold(index << 6, |bits, (at, set)| bits | u8::from(set) << at);
                ([code::SETUP, bits, 0, 0, 0], 2)
            }
            Self::Delete { index, unknown } => ([code::DELETE, index | u8::from(unknown) << 2, 0, 0, 0], 2),
        }
    }

    /// Takes the first answer off a payload.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn take(payload: &mut &[u8]) -> Result<Option<Self>, MessageError> {
        let Some((code, rest)) = payload.split_first() else { return Ok(None) };
        let short = MessageError::Short(*code);
        let (answer, rest) = match *code {
            code::VERSION => {
                let (_, rest) = rest.split_first_chunk::<2>().ok_or(short)?;
                (Self::PackageVersion, rest)
            }
            code::STATUS => {
                let ([low, high, missing, bits], rest) = rest.split_first_chunk().ok_or(short)?;
                let word = u16::from_le_bytes([*low, *high]);
                let (index, received) = ((word >> 14) as u8, word & 0x3fff);
                (Self::Status { index, received, missing: *missing, no_memory: bits & 1 == 1 }, rest)
            }
            code::SETUP => {
                let ([bits], rest) = rest.split_first_chunk().ok_or(short)?;
                let set = |at: u8| bits >> at & 1 == 1;
                let index = bits >> 6;
                (Self::Setup { index, algorithm: set(0), memory: set(1), session: set(2), descriptor: set(3) }, rest)
            }
            code::DELETE => {
                let ([bits], rest) = rest.split_first_chunk().ok_or(short)?;
                (Self::Delete { index: bits & 3, unknown: bits >> 2 & 1 == 1 }, rest)
            }
            code => return Err(MessageError::Command(code)),
        };
        *payload = rest;
        Ok(Some(answer))
    }
}
