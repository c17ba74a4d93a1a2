//! What somebody who watches a node sees of it: a simulation, a test, a log.

use tanbo_board_api::{Depth, ResetCause, WakeCause, WakeMask};
use tanbo_pipeline::Hop;
use tanbo_store::Fault;
use tanbo_wire::v1::Message;

use crate::duty::Mode;
use crate::energy::Load;
use crate::plan::{RadioState, SensorState};

/// Somebody who watches. `()` does not, and costs nothing.
pub trait Observer {
    /// Takes a note of what happened at `now_us`, by the board's clock.
    fn note(&mut self, now_us: u64, note: Note<'_>);
}

impl Observer for () {
    fn note(&mut self, _: u64, _: Note<'_>) {}
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Note<'a> {
    /// The node has started.
    Start {
        /// Why.
        cause: ResetCause,
        /// How often it has, this time included.
        starts: u32,
    },
    /// It does as much from now on.
    Mode(Mode),
    /// It goes to sleep.
    Sleep(Sleep<'a>),
    /// It is awake again; without a cause where a device's interrupt woke it that is in no mask.
    Wake(Option<WakeCause>),
    /// A part draws as much from now on, nA.
    Draws(Load, u32),
    /// A hop of the detector, an event perhaps.
    Hop(Hop),
    /// An event is in flash, and stays there until it is acknowledged.
    Kept {
        /// Number of its frame.
        number: u32,
        /// The number under which it was there before.
        before: Option<u32>,
    },
    /// A frame is on the air.
    Sent {
        /// Its number.
        counter: u32,
        /// What it says.
        message: Message<'a>,
    },
    /// A frame of the gateway's came, authentic and the first of its number.
    Received {
        /// Its number.
        counter: u32,
        /// What it says.
        message: Message<'a>,
    },
    /// An entry of the fault log.
    Fault(Fault),
    /// The pump's relay was switched.
    Relay(bool),
    /// From now on the model of this slot runs; `None`: the firmware's.
    Model {
        /// The slot.
        slot: Option<u8>,
    },
}

/// What is on in a sleep, and what ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sleep<'a> {
    /// What sampling waits for: [`Wait::what`](crate::plan::Wait::what).
    pub sampling: &'static str,
    /// What the uplink waits for: [`Pause::what`](crate::plan::Pause::what).
    pub uplink: &'static str,
    /// Its end, by the board's clock, µs.
    pub deadline_us: u64,
    /// How deep it may be.
    pub depth: Depth,
    /// What else may end it.
    pub wake: WakeMask,
    /// What each sensor was set to, in the order of [`Application::sensors`](crate::plan::Application::sensors).
    pub sensors: &'a [SensorState],
    /// What the radio does.
    pub radio: RadioState,
}
