//! What was on for how long, and every kind of sleep.

use tanbo_board_api::{Depth, WakeMask};
use tanbo_node::plan::{RadioState, SensorState};

/// Sensors of a node, at most.
pub const SENSORS: usize = 2;
/// Kinds of sleep that are told apart.
const WAITS: usize = 24;

/// What the core does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Core {
    /// Instructions.
    Run = 0,
    /// It waits for a bus, whose transfers need no core.
    Idle = 1,
    /// It sleeps, clocks stopped.
    Stop = 2,
}

/// What a wait is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The node sleeps until something happens.
    Rest,
    /// Bytes go over a bus.
    Bus,
    /// A conversion, or whatever else takes its time.
    Pause,
    /// A frame goes out.
    Air,
    /// The radio waits for a frame, or for its time to.
    Listen,
}

impl Wait {
    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Bus => "bus",
            Self::Pause => "pause",
            Self::Air => "air",
            Self::Listen => "listen",
        }
    }
}

/// What is on at a wait-for-interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plug {
    /// What it is for.
    pub wait: Wait,
    /// How deep the core may sleep.
    pub depth: Depth,
    /// What may end it early.
    pub wake: WakeMask,
    /// The sensors.
    pub sensors: [SensorState; SENSORS],
    /// The radio.
    pub radio: RadioState,
    /// The pump's relay.
    pub relay: bool,
    /// The node's mode, as it told: 0 for out to 3 for all of it.
    pub mode: u8,
    /// What sampling waits for, as it told.
    pub sampling: &'static str,
    /// What the uplink waits for, as it told.
    pub uplink: &'static str,
}

/// All waits of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// What is on.
    pub on: Plug,
    /// How many.
    pub count: u64,
    /// Ticks, all together.
    pub ticks: u64,
    /// The longest, ticks.
    pub longest: u64,
}

/// Ticks of each state of each part.
#[derive(Debug)]
pub struct Tally {
    since: u64,
    /// By [`Core`].
    pub core: [u64; 3],
    /// By [`RadioState`].
    pub radio: [u64; 3],
    /// By sensor and [`SensorState`].
    pub sensors: [[u64; 3]; SENSORS],
    /// By sensor: during conversions.
    pub converting: [u64; SENSORS],
    /// The relay.
    pub relay: u64,
    /// By kind.
    pub waits: heapless::Vec<Waits, WAITS>,
}

impl Tally {
    pub(super) const fn new() -> Self {
        Self {
            since: 0,
            core: [0; 3],
            radio: [0; 3],
            sensors: [[0; 3]; SENSORS],
            converting: [0; SENSORS],
            relay: 0,
            waits: heapless::Vec::new(),
        }
    }

    /// What was before `now` is not the node's: it had no power.
    pub(super) fn begin(&mut self, now: u64) {
        self.since = now;
    }

    /// Adds the time until `now`, in which all was as `on` and `core` say; returns how long it was, ticks.
    pub(super) fn pass(&mut self, now: u64, on: &Plug, core: Core, converting: [bool; SENSORS]) -> u64 {
        let ticks = now.saturating_sub(self.since);
        self.since = self.since.max(now);
        let add = |tally: Option<&mut u64>| {
            if let Some(tally) = tally {
                *tally += ticks;
            }
        };
        add(self.core.get_mut(core as usize));
        add(self.radio.get_mut(on.radio as usize));
        for (tallies, state) in self.sensors.iter_mut().zip(on.sensors) {
            add(tallies.get_mut(state as usize));
        }
        for (tally, converting) in self.converting.iter_mut().zip(converting) {
            add(Some(tally).filter(|_| converting));
        }
        add(Some(&mut self.relay).filter(|_| on.relay));
        ticks
    }

    /// Counts a wait. A kind beyond those that have room is counted with the last one, which no plan then has.
    pub(super) fn waited(&mut self, on: Plug, ticks: u64) {
        let known = self.waits.iter().position(|waits| waits.on == on);
        let place = known.or_else(|| {
            let place = self.waits.len();
            self.waits.push(Waits { on, count: 0, ticks: 0, longest: 0 }).ok().map(|()| place)
        });
        let waits = match place {
            Some(place) => self.waits.get_mut(place),
            None => self.waits.last_mut(),
        };
        if let Some(waits) = waits {
            waits.count += 1;
            waits.ticks += ticks;
            waits.longest = waits.longest.max(ticks);
        }
    }
}
