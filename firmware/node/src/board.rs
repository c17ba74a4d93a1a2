//! What a board brings, and what a node is told when it is installed.

use core::fmt;
use core::ops::Range;

use embedded_storage_async::nor_flash::{NorFlash, NorFlashError};
use tanbo_board_api::{Clock, Power, Slots, Uplink};
use tanbo_flash_map::Calibrations;
use tanbo_methods::ParameterError;
use tanbo_pipeline::PipelineError;
use tanbo_store::StoreError;
use tanbo_wire::{Key, Link, NodeId};

use crate::duty::Policy;
use crate::energy;
use crate::observe::Observer;

/// The types of a board's parts.
pub trait Board {
    /// Time.
    type Clock: Clock;
    /// Sleep, supply, retained memory, watchdog.
    type Power: Power;
    /// The way to the gateway.
    type Uplink: Uplink;
    /// Flash for what must outlive the supply: see `tanbo-store`.
    type Flash: NorFlash;
    /// Places for models that come later; [`NoSlots`](tanbo_board_api::NoSlots) on a board without.
    type Slots: Slots;
    /// Who watches: `()` in the field.
    type Observer: Observer;
}

/// A board's parts. Sensors and relays are the application's: its function takes them.
///
/// Borrowed by the node, so that futures stay small and the board has its parts back when the node stops.
pub struct Parts<B: Board> {
    /// Time.
    pub clock: B::Clock,
    /// Sleep, supply, retained memory (64 bytes or more), watchdog.
    pub power: B::Power,
    /// The way to the gateway.
    pub uplink: B::Uplink,
    /// Flash …
    pub flash: B::Flash,
    /// … and the part of it that is the node's: whole pages, erased when the node is installed.
    pub flash_range: Range<u32>,
    /// Places for models that come later.
    pub slots: B::Slots,
    /// Who watches.
    pub observer: B::Observer,
}

/// What a node is told when it is installed.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Who it is.
    pub node: NodeId,
    /// The key that it shares with the gateway.
    pub key: Key,
    /// What carries its frames.
    pub link: Link,
    /// How it spends its supply.
    pub policy: Policy,
    /// What its board draws.
    pub currents: &'static energy::Board,
    /// Charge of its battery, mAh, where it is counted since the board does not measure it.
    pub battery_mah: Option<u32>,
    /// What its sensors' readings become before anything else sees them; the numbers are the application's.
    pub calibrations: Calibrations,
    /// Random, another one for each node and start if the board can: it spreads the retries of nodes that woke together.
    pub seed: u64,
}

/// Why a node stops. It runs for years otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stop<E> {
    /// The gateway asks for a restart: reset the board.
    Restart,
    /// What lies in flash cannot be used, or the flash does not work. Numbers of frames are in it: without them the node needs a new
    /// key before its flash is formatted.
    Store(StoreError<E>),
    /// The pipeline cannot be made: another artifact, or another rate of the sensor.
    Pipeline(PipelineError),
    /// A parameter of the application's method is out of range.
    Parameter(ParameterError),
    /// A sensor's readings are not what the application needs.
    Sensor {
        /// In the order of [`Application::sensors`](crate::plan::Application::sensors).
        number: u8,
        /// What it must give.
        needs: &'static str,
    },
}

impl<E: NorFlashError> fmt::Display for Stop<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restart => f.write_str("the gateway asks for a restart"),
            Self::Store(error) => error.fmt(f),
            // Their own text is for who builds firmware: a board would carry 6 KB of it.
            Self::Pipeline(_) => f.write_str(
                "the model does not go with the sensor, or carries no front end: `tanbo inspect` tells both",
            ),
            Self::Parameter(error) => error.fmt(f),
            Self::Sensor { number, needs } => write!(f, "sensor {number} of the application must give {needs}"),
        }
    }
}

impl<E: NorFlashError> core::error::Error for Stop<E> {}
