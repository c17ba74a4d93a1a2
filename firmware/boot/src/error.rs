//! Why an update is not taken.

use core::fmt;

use embassy_boot::FirmwareUpdaterError;
use embedded_storage::nor_flash::NorFlashErrorKind;
use tanbo_board_api::Refused;
use tanbo_release::{Name, ReleaseError};

/// Why an update is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateError {
    /// Its signature, or what it signs.
    Release(ReleaseError),
    /// It is for another board.
    Board(Name),
    /// Its version is not above that of the firmware that runs.
    Older {
        /// The update's.
        version: u32,
        /// The least that is taken.
        least: u32,
    },
    /// It does not fit.
    TooLong {
        /// Its length, bytes.
        bytes: usize,
        /// Room for an image with its record, bytes.
        room: usize,
    },
    /// The firmware that runs is on trial: what lies beside it is what it is taken back to.
    OnTrial,
    /// The flash.
    Flash(NorFlashErrorKind),
}

impl fmt::Display for UpdateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Release(error) => error.fmt(f),
            Self::Board(name) => write!(f, "the firmware is for the board '{name}'"),
            Self::Older { version, least } => write!(f, "version {version}; the least that is taken is {least}"),
            Self::TooLong { bytes, room } => write!(f, "{bytes} bytes; there is room for {room}"),
            Self::OnTrial => f.write_str("the firmware that runs has not confirmed itself yet"),
            Self::Flash(kind) => write!(f, "flash: {kind:?}"),
        }
    }
}

impl core::error::Error for UpdateError {}

impl From<FirmwareUpdaterError> for UpdateError {
    fn from(error: FirmwareUpdaterError) -> Self {
        match error {
            FirmwareUpdaterError::Flash(kind) => Self::Flash(kind),
            // What embassy-boot checks itself is not asked of it.
            FirmwareUpdaterError::BadState | FirmwareUpdaterError::Signature(_) => Self::OnTrial,
        }
    }
}

impl UpdateError {
    /// Returns the number that frames and the fault log have. A number is never given a second meaning.
    pub const fn code(self) -> u8 {
        match self {
            Self::Release(error) => error.code(),
            Self::Board(_) => 40,
            Self::Older { .. } => 41,
            Self::TooLong { .. } => 42,
            Self::OnTrial => Refused::BUSY.0,
            Self::Flash(_) => 45,
        }
    }
}

impl From<UpdateError> for Refused {
    fn from(error: UpdateError) -> Self {
        Self(error.code())
    }
}
