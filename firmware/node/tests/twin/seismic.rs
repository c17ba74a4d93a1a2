//! The seismic node over a recorded quake.

use std::cell::RefCell;
use std::ops::Range;

use tanbo::Arena;
use tanbo_board_api::sim::{FaultPlan, Faulty, Replay, Restart, SimPower, World};
use tanbo_board_api::{Channel, FaultKind, Format, Quantity, ResetCause, Supply};
use tanbo_node::duty::Mode;
use tanbo_node::plan::Application;
use tanbo_node::{Seismic, seismic};
use tanbo_pipeline::{Change, Event, Pipeline, Recording};
use tanbo_wire::v1::Hazard;

use crate::board::{Flash, HOUR_US, MINUTE_US, PAGES, SECOND_US, Seen, drive, parts, setup};
use crate::gateway::Gateway;

tanbo_include::include_model!(pub mod model = "../../../../models/zoo/seismic/seismic.tnb");

const QUAKE: &[u8] = include_bytes!("../../../../models/zoo/seismic/fixtures/south-napa-2014-ce68150.csv");

const MGAL: Channel = Channel { quantity: Quantity::Acceleration, exponent: -5, min: -3_922_660, max: 3_922_660 };
pub const ACCELEROMETER: Format =
    Format { channels: &[MGAL, MGAL, MGAL], period_ns: 5_000_000, fifo_readings: 96, wakes: true };
pub const SETTINGS: Seismic = Seismic { model: [1, 2, 3, 4], motion_mgal: 20_000, motion_readings: 3 };

fn recording() -> Vec<i32> {
    let recording = Recording::parse(QUAKE).expect("a recording");
    assert_eq!((recording.rate().numerator, recording.rate().denominator), (200, 1));
    recording.samples().flat_map(|(_, sample)| sample).collect()
}

/// The quake after `quiet` seconds of its own beginning, over and over, so that the running average has seen it.
pub fn after_quiet(seconds: usize) -> Vec<i32> {
    let recording = recording();
    let quiet: Vec<i32> = recording.iter().copied().take(3 * 200 * 20).collect();
    quiet.iter().copied().cycle().take(3 * 200 * seconds).chain(recording).collect()
}

/// Events of the pipeline by itself.
fn expected(samples: &[i32]) -> Vec<Event> {
    let mut arena = Arena::<{ model::ARENA_BYTES }>::new();
    let rate = tanbo_pipeline::Rate { numerator: 200, denominator: 1 };
    let mut pipeline = Pipeline::new(model::engine(arena.as_mut()).expect("an engine"), rate).expect("a pipeline");
    let mut events = Vec::new();
    for (number, sample) in (1..).zip(samples.as_chunks().0) {
        pipeline.push(number * 5_000, *sample, |hop| events.extend(hop.event)).expect("a hop");
    }
    events
}

/// What a run of the node is given.
struct Run<'r> {
    samples: &'r [i32],
    faults: FaultPlan<'r>,
    until_us: u64,
    supply: &'r dyn Fn(u64) -> Supply,
    airtime_us: u64,
}

pub const MAINS: Supply =
    Supply { mv: Some(3_000), charge_permille: Some(900), harvest_mw: None, trend_mv_per_h: None };

impl<'r> Run<'r> {
    fn new(samples: &'r [i32], until_us: u64) -> Self {
        Self { samples, faults: FaultPlan::default(), until_us, supply: &|_| MAINS, airtime_us: 0 }
    }

    /// Runs the node on what is left of the start before; returns what is left of this one.
    fn run(
        &self,
        world: &World,
        restart: Option<Restart>,
        flash: &Flash,
        gateway: &RefCell<Gateway>,
        seen: &RefCell<Seen>,
        cause: ResetCause,
    ) -> Restart {
        world.restart();
        world.cut_us.set(Some(self.until_us));
        let mut power = restart.map_or_else(|| SimPower::new(world), |restart| SimPower::restart(world, restart));
        power.supply = self.supply;
        power.watchdog_asleep = true;
        let mut parts = parts(world, power, gateway, flash, Application::Seismic, seen);
        parts.uplink.airtime_us = self.airtime_us;
        let mut accelerometer = Faulty::new(Replay::new(world, 0, ACCELEROMETER, self.samples), self.faults);
        let mut motion = Replay::new(world, 1, ACCELEROMETER, self.samples);
        let mut arena = Arena::<{ model::ARENA_BYTES }>::new();
        let engine = model::engine(arena.as_mut()).expect("an engine");
        let setup = setup();
        let node = seismic(&mut parts, &setup, (&mut accelerometer, &mut motion), engine, &SETTINGS);
        // The whole node's state, on the stack or in a static variable of a chip; pointers are twice as long here as there.
        let bytes = size_of_val(&node);
        assert!(bytes <= 10_500, "{bytes}");
        let stop = drive(world, node);
        assert!(stop.is_none(), "{stop:?}");
        parts.power.end(cause)
    }
}

#[test]
fn the_node_finds_what_the_pipeline_finds_at_the_same_sample() {
    let samples = after_quiet(60);
    let expected = expected(&samples);
    assert!(expected.iter().any(|event| event.change == Change::AlarmOn));
    let once = || {
        let (world, seen, gateway) = (World::new(0), RefCell::default(), RefCell::default());
        let flash = Flash::new(PAGES);
        let length_us = samples.len() as u64 / 3 * 5_000;
        Run { airtime_us: 200_000, ..Run::new(&samples, length_us) }.run(
            &world,
            None,
            &flash,
            &gateway,
            &seen,
            ResetCause::PowerOn,
        );
        (seen.into_inner(), gateway.into_inner(), world.sleeps())
    };
    let (seen, gateway, sleeps) = once();
    assert_eq!(seen.events, expected);
    assert!(seen.sleeps > 300 && u64::from(seen.sleeps) == sleeps.count, "{} {sleeps:?}", seen.sleeps);
    // The gate keeps the network from running while nothing moves.
    assert!(seen.hops.0 * 3 < seen.hops.1, "{:?}", seen.hops);
    assert_eq!(gateway.events.len(), expected.len());
    assert_eq!(gateway.count("Boot"), 1);
    assert_eq!(gateway.count("Telemetry"), 1);
    for (event, expected) in gateway.events.iter().zip(&expected) {
        assert_eq!(event.finding.begins, expected.change == Change::AlarmOn);
        assert_eq!(event.finding.score, expected.score.unwrap_or(0));
        // The gateway's clock is the world's.
        let apart = event.time_us.abs_diff(crate::gateway::EPOCH_US + expected.time_us);
        assert!(apart <= 1000 * u64::from(event.error_ms), "{apart}");
        assert_eq!(event.model, [1, 2, 3, 4]);
    }
    // Within a FIFO's half and a frame of the decision.
    let late = seen.alarms[0] - expected[0].time_us;
    assert!(late < 700_000, "{late}");
    assert!(seen.log == once().0.log, "two runs differ");
}

/// A start on new flash, until `until_us`.
fn first(run: &Run<'_>, away: Option<Range<u64>>) -> (Seen, Gateway) {
    let (world, seen, gateway) = (World::new(0), RefCell::<Seen>::default(), RefCell::<Gateway>::default());
    gateway.borrow_mut().away = away;
    run.run(&world, None, &Flash::new(PAGES), &gateway, &seen, ResetCause::PowerOn);
    (seen.into_inner(), gateway.into_inner())
}

#[test]
fn a_gateway_that_is_away_for_an_hour_gets_everything_later() {
    // A quake every ten minutes.
    let samples = after_quiet(600 - 65);
    let (seen, gateway) = first(&Run::new(&samples, 125 * MINUTE_US), Some(5 * MINUTE_US..65 * MINUTE_US));
    assert!(seen.events.len() >= 18, "{}", seen.events.len());
    // Each once, in any order; all alarms went out at once although nobody heard them.
    let mut times: Vec<u64> = gateway.events.iter().map(|event| event.time_us).collect();
    times.sort_unstable();
    times.dedup();
    assert_eq!((times.len(), gateway.events.len()), (seen.events.len(), seen.events.len()));
    for (alarm, event) in seen.alarms.iter().zip(&seen.events) {
        assert!(alarm - event.time_us < SECOND_US, "{alarm} {event:?}");
    }
    // What was sent in vain is bounded by the pauses: 8 s doubled to 15 minutes, and each event's first time.
    let vain = seen.log.lines().filter(|line| line.contains("Event(")).count() - gateway.events.len();
    assert!(vain <= 16 + seen.events.len(), "{vain} in vain");
    assert!(gateway.heard.iter().any(|(.., text)| text.starts_with("Heartbeat") && text.contains("waiting: 0")));
}

#[test]
fn a_sensor_that_fails_in_an_alarm_is_started_again_and_the_alarm_ends() {
    let samples = after_quiet(60);
    // Reads are eight a second: from the alarm on for five seconds nothing, then lost readings, and a spike long after.
    let fail: Vec<(u32, FaultKind)> =
        (740..760).map(|read| (read, [FaultKind::Bus, FaultKind::NotFound][read as usize % 2])).collect();
    let faults = FaultPlan { fail: &fail, lose: &[765], spike: &[1000], stuck_from: None };
    let (seen, gateway) = first(&Run { faults, ..Run::new(&samples, 125 * SECOND_US) }, None);
    let changes: Vec<Change> = seen.events.iter().map(|event| event.change).collect();
    assert_eq!(changes, [Change::AlarmOn, Change::AlarmOff]);
    let sensor: Vec<u32> =
        seen.faults.iter().filter(|fault| fault.0 == 1).map(|(.., detail)| detail & 0xffff).collect();
    assert_eq!(sensor, [1, 2, 4, 8, 16], "told at the first, second, fourth … in a row");
    // The gateway hears of the quake and of the sensor.
    let mut events: Vec<(u64, Hazard, bool)> =
        gateway.events.iter().map(|event| (event.time_us, event.finding.hazard, event.finding.begins)).collect();
    events.sort_unstable_by_key(|event| event.0);
    let events: Vec<(Hazard, bool)> = events.into_iter().map(|(_, hazard, begins)| (hazard, begins)).collect();
    let both = |begins| [(Hazard::Earthquake, begins), (Hazard::Node, begins)];
    assert_eq!(events, [both(true), [(Hazard::Node, false), (Hazard::Earthquake, false)]].concat());
}

#[test]
fn power_decides_what_is_on_and_a_node_that_went_out_waits_for_the_restart_voltage() {
    let samples = after_quiet(60);
    let mv = |now_us: u64| match now_us / MINUTE_US {
        0..20 => 3_000,
        20..40 => 2_250,
        40..60 => 1_850,
        60..80 => 2_200,
        _ => 2_350,
    };
    let supply = |now_us: u64| Supply {
        mv: Some(mv(now_us)),
        charge_permille: Some(if mv(now_us) > 2_300 { 120 } else { 900 }),
        ..Supply::default()
    };
    let (seen, gateway) = first(&Run { supply: &supply, ..Run::new(&samples, 2 * HOUR_US) }, None);
    let modes: Vec<Mode> = seen.modes.iter().map(|(_, mode)| *mode).collect();
    assert!(modes.starts_with(&[Mode::Survive]), "{modes:?}");
    let out = seen.modes.iter().position(|(_, mode)| *mode == Mode::Out).expect("out");
    let [(out_us, _), (back_us, _)] = seen.modes[out..out + 2] else { panic!("{:?}", seen.modes) };
    assert!((40..57).contains(&(out_us / MINUTE_US)) && back_us >= 80 * MINUTE_US, "{:?}", seen.modes);
    // Out, it sends nothing and samples nothing.
    let silent = out_us + SECOND_US..back_us;
    assert!(gateway.heard.iter().all(|(at_us, ..)| !silent.contains(at_us)));
    assert!(seen.events.iter().all(|event| !silent.contains(&event.time_us)));
    // Watching for motion it found quakes: those of the first minutes.
    assert!(seen.events.iter().any(|event| event.time_us < 20 * MINUTE_US), "{:?}", seen.events);
}
