//! Why something is not kept.

use core::fmt;

use embedded_storage_async::nor_flash::{NorFlashError, NorFlashErrorKind};

/// An error of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError<E> {
    /// The range is no whole number of pages, two or more, or is too small.
    Geometry {
        /// Bytes that everything takes at once.
        needed: usize,
        /// Bytes that the range has for it.
        room: usize,
    },
    /// Every place has an event that is not acknowledged.
    Full,
    /// A record is too long for its place, or for the buffer that it is read into.
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Keys of settings are below [`SETTINGS`](crate::SETTINGS).
    NoSetting {
        /// The key.
        key: u16,
    },
    /// All 2³² frame numbers of this key are used.
    NumbersUsedUp,
    /// What lies in flash was not written by a store, or has changed since.
    Corrupt,
    /// The flash's.
    Flash(E),
}

impl<E: NorFlashError> fmt::Display for StoreError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Geometry { needed, room } => write!(
                f,
                "the range has room for {room} bytes, and {needed} may be kept at once: two whole pages or more are needed"
            ),
            Self::Full => f.write_str("every place for events is taken by one that is not acknowledged"),
            Self::TooLong { bytes } => write!(f, "a record of {bytes} bytes does not fit"),
            Self::NoSetting { key } => write!(f, "there is no setting {key}"),
            Self::NumbersUsedUp => f.write_str("all frame numbers of this key are used: the node needs a new key"),
            Self::Corrupt => f.write_str("what lies in flash was not written by this store: format it"),
            // By kind: who prints a type by its derived text carries the code for that, 2 KB.
            Self::Flash(error) => f.write_str(match error.kind() {
                NorFlashErrorKind::OutOfBounds => "the flash ends before the range does",
                NorFlashErrorKind::NotAligned => "the flash has longer words or pages",
                _ => "the flash does not do what it is told",
            }),
        }
    }
}

impl<E: NorFlashError> core::error::Error for StoreError<E> {}

impl<E> From<sequential_storage::Error<E>> for StoreError<E> {
    fn from(error: sequential_storage::Error<E>) -> Self {
        match error {
            sequential_storage::Error::Storage { value, .. } => Self::Flash(value),
            sequential_storage::Error::FullStorage => Self::Full,
            // The others cannot happen to items of these lengths in a range that was checked, unless flash holds something else.
            _ => Self::Corrupt,
        }
    }
}
