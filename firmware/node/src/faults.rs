//! Kinds of faults, as the fault log in flash has them.

use tanbo_board_api::{FaultKind, ResetCause};

/// What went wrong. A number is never given a second meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The node started; its cause is the code.
    Start(ResetCause),
    /// A sensor failed: its number is the code, the kind and how often in a row the detail.
    Sensor {
        /// In the order of [`Application::sensors`](crate::plan::Application::sensors).
        number: u8,
        /// How.
        kind: FaultKind,
        /// How often in a row.
        row: u16,
    },
    /// Readings were lost: the sensor's number is the code.
    Gap {
        /// In the order of [`Application::sensors`](crate::plan::Application::sensors).
        number: u8,
    },
    /// The detector failed.
    Detector,
    /// Flash took no event, or no setting.
    Full,
    /// An event in flash cannot be read; its number is the detail.
    Unreadable(u32),
    /// The relay did not do as it was told.
    Relay,
    /// The pump was locked out.
    Pump,
    /// The uplink's device failed.
    Uplink,
    /// A model was not taken: the code is [`Refusal::code`](crate::slots::Refusal::code), the detail the version that it was said to be.
    Model {
        /// Why.
        refusal: u8,
        /// The version.
        version: u32,
    },
    /// A trial ended with the model before: the detail is the version that was tried.
    RolledBack {
        /// The version.
        version: u32,
    },
    /// The model slots' memory failed, or that of their versions.
    Slots,
    /// Firmware was not taken: the code is the refusal's number, the detail the version that it was said to be.
    Firmware {
        /// Why.
        refusal: u8,
        /// The version.
        version: u32,
    },
    /// Firmware on trial did not do its work: the node restarts, and the boot loader takes it back.
    FirmwareFailed,
}

impl Trouble {
    /// Kind, code and detail of the entry.
    pub(crate) fn entry(self) -> (u8, u8, u32) {
        match self {
            Self::Start(cause) => (0, cause as u8, 0),
            Self::Sensor { number, kind, row } => (1, number, (kind as u32) << 16 | u32::from(row)),
            Self::Gap { number } => (2, number, 0),
            Self::Detector => (3, 0, 0),
            Self::Full => (4, 0, 0),
            Self::Unreadable(number) => (5, 0, number),
            Self::Relay => (6, 0, 0),
            Self::Pump => (7, 0, 0),
            Self::Uplink => (8, 0, 0),
            Self::Model { refusal, version } => (9, refusal, version),
            Self::RolledBack { version } => (10, 0, version),
            Self::Slots => (11, 0, 0),
            Self::Firmware { refusal, version } => (12, refusal, version),
            Self::FirmwareFailed => (13, 0, 0),
        }
    }
}
