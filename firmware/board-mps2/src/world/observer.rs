//! Who watches the node: a line for what happens, and a digest of every hop.

use tanbo_node::{Note, Observer, Sleep};
use tanbo_pipeline::{Change, Hop};
use tanbo_wire::v1::Message;

use super::World;
use crate::info;

/// Writes down what the node does; that takes no time of the world.
pub struct WorldObserver {
    world: &'static World,
}

/// All hops so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hops {
    /// How many.
    pub count: u64,
    /// How many had a score.
    pub scored: u64,
    /// FNV-1a over sample, gate, score and alarm of each.
    pub digest: u64,
}

impl Hops {
    /// None yet.
    pub const NONE: Self = Self { count: 0, scored: 0, digest: 0xcbf2_9ce4_8422_2325 };

    fn add(&mut self, hop: &Hop) {
        self.count += 1;
        self.scored += u64::from(hop.score.is_some());
        let score = hop.score.map_or(i16::MIN, i16::from);
        let sample = hop.sample.to_le_bytes().into_iter();
        let parts = sample.chain(hop.gate_q8.to_le_bytes()).chain(score.to_le_bytes()).chain([u8::from(hop.alarm)]);
        for byte in parts {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl WorldObserver {
    /// Returns an observer of the node in `world`.
    pub fn new(world: &'static World) -> Self {
        Self { world }
    }

    fn hop(&self, hop: &Hop) {
        self.world.change(|state| state.hops.add(hop));
        let Some(event) = hop.event else { return };
        let what = match event.change {
            Change::AlarmOn => "ALARM",
            Change::AlarmOff => "alarm ends",
        };
        // A score that is not there is told as one that none is.
        let score = event.score.map_or(i32::MIN, i32::from);
        info!("event: {} at sample {}, score {}", what, event.sample, score);
        info!("at {} us: {}", self.world.world_us(), what);
    }
}

impl Observer for WorldObserver {
    #[inline(never)]
    fn note(&mut self, _: u64, note: Note<'_>) {
        let world = self.world;
        world.outside(|| {
            let at = world.world_us();
            match note {
                Note::Hop(hop) => self.hop(&hop),
                Note::Sleep(Sleep { sampling, uplink, .. }) => world.change(|state| {
                    (state.on.sampling, state.on.uplink) = (sampling, uplink);
                }),
                Note::Mode(mode) => {
                    let mv = world.change(|state| {
                        state.on.mode = mode as u8;
                        state.battery.millivolts()
                    });
                    info!("at {} us: mode {} at {} mV", at, mode as u8, mv);
                }
                Note::Start { starts, cause } => info!("at {} us: start {} by cause {}", at, starts, cause as u8),
                Note::Kept { number, before: None } => info!("at {} us: kept {}", at, number),
                Note::Kept { number, before: Some(before) } => {
                    info!("at {} us: kept {} before {}", at, number, before)
                }
                Note::Sent { counter, message } => info!("at {} us: sent {}, {}", at, counter, name(&message)),
                Note::Received { counter, message } => info!("at {} us: received {}, {}", at, counter, name(&message)),
                Note::Fault(fault) => info!("at {} us: fault {}", at, fault.code),
                Note::Relay(on) => info!("event: relay {}", u8::from(on)),
                Note::Model { slot: Some(slot) } => info!("event: the model of slot {}", slot),
                Note::Model { slot: None } => info!("event: the firmware's model"),
                Note::Wake(_) | Note::Draws(..) => {}
            }
        });
    }
}

/// Returns what a message is.
pub fn name(message: &Message<'_>) -> &'static str {
    match message {
        Message::Alarm(_) => "alarm",
        Message::Event(_) => "event",
        Message::Readings(_) => "readings",
        Message::Heartbeat(_) => "heartbeat",
        Message::Telemetry(_) => "telemetry",
        Message::Boot(_) => "boot",
        Message::TimeRequest => "time request",
        Message::Applied(_) => "applied",
        Message::Ack(_) => "acknowledgement",
        Message::Time(_) => "time",
        Message::Set(_) => "setting",
        Message::Command(_) => "command",
        Message::Update(_) => "update",
        Message::Offer(_) => "offer",
        Message::Part(_) => "part",
        Message::Try(_) => "try",
        Message::Firmware(_) => "firmware",
    }
}
