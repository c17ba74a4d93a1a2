//! Why a device cannot be used.

use core::fmt;

use embedded_hal_async::{i2c, spi};
use tanbo_board_api::{Fault, FaultKind};

/// An error of a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverError {
    /// The bus: [`FaultKind::NotFound`] where nobody answers.
    Bus(FaultKind),
    /// Another chip answers.
    Identity {
        /// What this chip says of itself.
        expected: u32,
        /// What was read.
        found: u32,
    },
    /// What was read cannot be, or its checksum is wrong.
    Corrupt,
    /// It is not ready in the time that its datasheet gives it.
    Timeout,
    /// A setting or an address that it does not have.
    Range,
    /// It cannot do that.
    Unsupported,
}

impl DriverError {
    pub(crate) fn i2c(error: impl i2c::Error) -> Self {
        Self::Bus(error.kind().into())
    }

    pub(crate) fn spi(error: impl spi::Error) -> Self {
        Self::Bus(error.kind().into())
    }
}

impl Fault for DriverError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::Bus(kind) => *kind,
            Self::Identity { .. } => FaultKind::NotFound,
            Self::Corrupt => FaultKind::Corrupt,
            Self::Timeout => FaultKind::Timeout,
            Self::Range => FaultKind::Range,
            Self::Unsupported => FaultKind::Unsupported,
        }
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bus(FaultKind::NotFound) => f.write_str("nobody answers at this address: wiring, address, supply?"),
            Self::Bus(kind) => write!(f, "bus: {kind:?}"),
            Self::Identity { expected, found } => {
                write!(f, "another chip answers: it says {found:#x}, this one says {expected:#x}")
            }
            Self::Corrupt => f.write_str("what was read cannot be, or its checksum is wrong"),
            Self::Timeout => f.write_str("not ready in the time that its datasheet gives it"),
            Self::Range => f.write_str("a setting or address out of range"),
            Self::Unsupported => f.write_str("the chip cannot do that"),
        }
    }
}

impl core::error::Error for DriverError {}
