//! The board of the twin: simulated parts, and an observer who compares every sleep with the plan.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tanbo_board_api::sim::{Radio, SimClock, SimFlash, SimPower, SimUplink, World};
use tanbo_board_api::{Depth, Mode as SensorMode, NoSlots, Slots, WakeMask};
use tanbo_flash_map::Calibrations;
use tanbo_node::duty::{Mode, Policy};
use tanbo_node::plan::{AIR, ANSWER, Application, BUSY, PUMPING, Pause, QUIET, RadioState, SensorState, plan};
use tanbo_node::{Board, Note, Observer, Parts, Setup, Sleep, energy};
use tanbo_pipeline::Event;
use tanbo_wire::Link;

use crate::gateway::{Air, Gateway, NODE, key};

pub const SECOND_US: u64 = 1_000_000;
pub const MINUTE_US: u64 = 60 * SECOND_US;
pub const HOUR_US: u64 = 60 * MINUTE_US;
pub const DAY_US: u64 = 24 * HOUR_US;

pub type Flash = SimFlash<4, 4096>;
/// Pages of the node's flash.
pub const PAGES: usize = 3;

/// The types of the twin, with slots `L`.
pub struct Twin<'w, L = NoSlots>(core::marker::PhantomData<(&'w (), L)>);

impl<'w, L: Slots> Board for Twin<'w, L> {
    type Clock = SimClock<'w>;
    type Power = SimPower<'w>;
    type Uplink = SimUplink<'w, Air<'w>>;
    type Flash = Flash;
    type Slots = L;
    type Observer = Watcher<'w>;
}

/// What the watcher has seen.
#[derive(Default)]
pub struct Seen {
    /// Every note, one a line.
    pub log: String,
    /// Events of the detector.
    pub events: Vec<Event>,
    /// Modes, with their times.
    pub modes: Vec<(u64, Mode)>,
    /// Sleeps compared with the plan.
    pub sleeps: u32,
    /// Scored and all hops.
    pub hops: (u32, u32),
    /// Switches of the relay, with their times.
    pub relay: Vec<(u64, bool)>,
    /// Faults: kind, code, detail.
    pub faults: Vec<(u8, u8, u32)>,
    /// Alarms sent, with their times.
    pub alarms: Vec<u64>,
    /// Every hop: its sample and its score.
    pub scores: Vec<(u64, Option<i8>)>,
    /// Slots whose models were run, `None` for the firmware's, and how many hops there were before.
    pub models: Vec<(Option<u8>, usize)>,
}

/// Watches the node and compares every sleep with the plan and with what the devices really do.
pub struct Watcher<'w> {
    pub world: &'w World,
    pub application: Application,
    pub seen: &'w RefCell<Seen>,
}

impl Watcher<'_> {
    fn compare(&self, now_us: u64, sleep: &Sleep<'_>, mode: Mode) {
        let rests = Mode::ALL.map(|mode| plan(self.application, mode).rest);
        let rest = rests.into_iter().chain([PUMPING]).find(|wait| wait.what == sleep.sampling);
        let pauses = [QUIET, AIR, ANSWER, BUSY];
        let pause = pauses.into_iter().find(|pause| pause.what == sleep.uplink).expect("a pause of the plan");
        let Some(rest) = rest else {
            assert_eq!((sleep.sampling, sleep.depth), (BUSY.what, Depth::Idle), "{sleep:?}");
            return;
        };
        // Motion wakes a node whose power is short, and then it measures as one with plenty.
        let wakes = self.application == Application::Seismic && mode == Mode::Survive && sleep.sampling == "FIFO";
        let own = plan(self.application, mode).rest;
        assert!(own.what == sleep.sampling || wakes || sleep.sampling == PUMPING.what, "{mode:?} {sleep:?}");
        assert_eq!(sleep.sensors, rest.sensors, "{mode:?} {sleep:?}");
        assert_eq!((sleep.radio, sleep.depth), (pause.radio, rest.depth.min(pause.depth)), "{sleep:?}");
        let busy = pause == BUSY;
        assert!(sleep.wake == rest.wake.or(if busy { WakeMask::NONE } else { pause.wake }), "{sleep:?}");
        let Pause { longest_ms, .. } = pause;
        assert!(sleep.deadline_us <= now_us + 1000 * u64::from(longest_ms.min(rest.longest_ms)), "{now_us} {sleep:?}");
        for (number, state) in sleep.sensors.iter().enumerate() {
            let real = match self.world.mode(number) {
                None | Some(SensorMode::Off) => SensorState::Standby,
                Some(SensorMode::Measure) => SensorState::Measure,
                Some(SensorMode::Wake { .. }) => SensorState::Watch,
            };
            assert_eq!(*state, real, "sensor {number} {mode:?} {sleep:?}");
        }
        let real = match self.world.radio.get() {
            Radio::Sleep => RadioState::Sleep,
            Radio::Receive => RadioState::Receive,
            Radio::Transmit => RadioState::Transmit,
        };
        assert_eq!(sleep.radio, real, "{sleep:?}");
    }
}

impl Observer for Watcher<'_> {
    fn note(&mut self, now_us: u64, note: Note<'_>) {
        if self.world.is_cut() {
            return;
        }
        let mut seen = self.seen.borrow_mut();
        writeln!(seen.log, "{now_us} {note:?}").expect("text");
        match note {
            Note::Mode(mode) => seen.modes.push((now_us, mode)),
            Note::Hop(hop) => {
                seen.hops.0 += u32::from(hop.score.is_some());
                seen.hops.1 += 1;
                seen.scores.push((hop.sample, hop.score));
                seen.events.extend(hop.event);
            }
            Note::Model { slot } => {
                let hops = seen.scores.len();
                seen.models.push((slot, hops));
            }
            Note::Relay(on) => seen.relay.push((now_us, on)),
            Note::Fault(fault) => seen.faults.push((fault.kind, fault.code, fault.detail)),
            Note::Sent { message: tanbo_wire::v1::Message::Alarm(_), .. } => seen.alarms.push(now_us),
            Note::Sleep(sleep) => {
                let mode = seen.modes.last().map_or(Mode::Out, |(_, mode)| *mode);
                self.compare(now_us, &sleep, mode);
                seen.sleeps += 1;
            }
            _ => {}
        }
    }
}

/// What a node is told.
pub fn setup() -> Setup {
    Setup {
        node: NODE,
        key: key(),
        link: Link::Stream,
        policy: Policy::TWO_AA,
        currents: &energy::boards::NRF52840,
        battery_mah: None,
        calibrations: Calibrations::NONE,
        seed: 7,
    }
}

/// Returns the parts of a start of a board without slots.
pub fn parts<'w>(
    world: &'w World,
    power: SimPower<'w>,
    gateway: &'w RefCell<Gateway>,
    flash: &Flash,
    application: Application,
    seen: &'w RefCell<Seen>,
) -> Parts<Twin<'w>> {
    parts_with(world, power, gateway, flash, application, seen, NoSlots)
}

/// Returns the parts of a start.
pub fn parts_with<'w, L: Slots>(
    world: &'w World,
    power: SimPower<'w>,
    gateway: &'w RefCell<Gateway>,
    flash: &Flash,
    application: Application,
    seen: &'w RefCell<Seen>,
    slots: L,
) -> Parts<Twin<'w, L>> {
    let frame_bytes = gateway.borrow().room.unwrap_or(tanbo_wire::MAX_FRAME);
    let mut uplink = SimUplink::new(world, Air(gateway));
    uplink.frame_bytes = frame_bytes;
    let mut flash = flash.handle();
    flash.flag = Some(world.cut_flag());
    Parts {
        clock: SimClock::new(world),
        power,
        uplink,
        flash,
        flash_range: 0..(PAGES * 4096) as u32,
        slots,
        observer: Watcher { world, application, seen },
    }
}

/// Runs a node until its supply is cut (`None`) or it stops.
pub fn drive<T>(world: &World, node: impl Future<Output = T>) -> Option<T> {
    let mut node = pin!(node);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match node.as_mut().poll(&mut context) {
            Poll::Ready(stop) => return Some(stop),
            Poll::Pending if world.is_cut() => return None,
            Poll::Pending => {}
        }
    }
}
