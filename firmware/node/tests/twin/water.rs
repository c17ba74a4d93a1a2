//! The water level node: a tide, waves, and a supply that goes at any time.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::f64::consts::TAU;

use tanbo_board_api::sim::{Measured, Restart, SimPower, World};
use tanbo_board_api::{Channel, FaultKind, Format, Quantity, ResetCause};
use tanbo_flash_map::{Calibration, Calibrations, Unit};
use tanbo_methods::water::WaterLevel;
use tanbo_node::plan::Application;
use tanbo_node::{Setup, Water, settings::key, water};
use tanbo_pipeline::Change;
use tanbo_signal::Decision;
use tanbo_wire::v1::{Command, Hazard, Message, Set};

use crate::board::{DAY_US, Flash, HOUR_US, MINUTE_US, PAGES, Seen, drive, parts, setup};
use crate::gateway::{EPOCH_US, Gateway};

const GAUGE: Format = Format {
    channels: &[Channel { quantity: Quantity::Level, exponent: -3, min: -20_000, max: 20_000 }],
    period_ns: 0,
    fifo_readings: 1,
    wakes: false,
};
const SETTINGS: Water = Water {
    level: WaterLevel::COAST,
    decision: Decision { on_score: 30, off_score: 30, votes: 2, of_hops: 2 },
    flood_mm: 1_500,
    calm_mm: 1_400,
};

/// A tide of 0.6 m, and from each sixth hour on decaying waves of 0.3 m.
fn level_mm(now_us: u64) -> i32 {
    let minutes = now_us as f64 / MINUTE_US as f64;
    let tide = 600.0 * (TAU * minutes / 745.2).cos();
    let since = minutes % 360.0;
    let wave = if minutes < 360.0 { 0.0 } else { 300.0 * (TAU * since / 20.0).sin() * (-since / 40.0).exp() };
    (tide + wave).round() as i32
}

/// Everything that outlives a start.
struct Station {
    world: World,
    flash: Flash,
    gateway: RefCell<Gateway>,
    seen: RefCell<Seen>,
    restart: RefCell<Option<Restart>>,
    broken: Cell<bool>,
    /// What the gauge reads in place of a level, mm, and what the node is told to make of that.
    reads: fn(i32) -> i32,
    calibrations: Calibrations,
}

impl Station {
    fn new() -> Self {
        Self {
            world: World::new(0),
            flash: Flash::new(PAGES),
            gateway: RefCell::default(),
            seen: RefCell::default(),
            restart: RefCell::new(None),
            broken: Cell::new(false),
            reads: |level_mm| level_mm,
            calibrations: Calibrations::NONE,
        }
    }

    /// Runs until `until_us`, or until flash has written `words` words; then the board resets by `cause`.
    fn run(&self, until_us: u64, words: Option<usize>, cause: ResetCause) {
        let Self { world, gateway, seen, .. } = self;
        world.restart();
        world.cut_us.set(Some(until_us));
        let restart = self.restart.borrow_mut().take();
        let mut power = restart.map_or_else(|| SimPower::new(world), |restart| SimPower::restart(world, restart));
        power.watchdog_asleep = false;
        let mut parts = parts(world, power, gateway, &self.flash, Application::Water, seen);
        parts.flash.left = words;
        let mut gauge = Measured::new(world, 0, GAUGE, |now_us, reading: &mut [i32]| {
            reading.fill((self.reads)(level_mm(now_us)));
            if self.broken.get() { Err(FaultKind::Timeout) } else { Ok(()) }
        });
        let setup = Setup { calibrations: self.calibrations, ..setup() };
        let stop = drive(world, water(&mut parts, &setup, &mut gauge, &SETTINGS));
        assert!(stop.is_none(), "{stop:?}");
        *self.restart.borrow_mut() = Some(parts.power.end(cause));
    }
}

#[test]
fn waves_are_found_and_readings_arrive() {
    let station = Station::new();
    station.run(DAY_US, None, ResetCause::PowerOn);
    let (seen, gateway) = (station.seen.into_inner(), station.gateway.into_inner());
    let begins = seen.events.iter().filter(|event| event.change == Change::AlarmOn);
    let hours: BTreeSet<u64> = begins.map(|event| event.time_us / HOUR_US).collect();
    // The wave's first hour, and what is left of it in the second.
    assert_eq!(hours, BTreeSet::from([6, 7, 12, 13, 18, 19]));
    assert_eq!(gateway.events.len(), seen.events.len());
    // 72 reports a day, one of them the health at length; each with all of its readings.
    let readings: Vec<&str> =
        gateway.heard.iter().map(|(.., text)| text.as_str()).filter(|text| text.starts_with("Readings")).collect();
    assert!((69..=71).contains(&readings.len()), "{}", readings.len());
    // Awake: as often as the plan says, and for frames.
    let wakes = seen.sleeps;
    assert!((1440..1440 + 72 * 8).contains(&wakes), "{wakes}");
}

#[test]
fn two_runs_write_the_same_log() {
    let log = || {
        let station = Station::new();
        station.run(9 * HOUR_US, None, ResetCause::Watchdog);
        station.run(12 * HOUR_US, Some(40), ResetCause::BrownOut);
        station.run(15 * HOUR_US, None, ResetCause::PowerOn);
        station.seen.into_inner().log
    };
    let (first, second) = (log(), log());
    assert!(first == second && first.lines().count() > 5_000);
}

/// A gauge that reads twice the level and 40 mm less, and a node that was told so: what it says and does is the same in every byte.
#[test]
fn a_gauge_is_as_its_calibration_makes_it() {
    let log = |reads, calibration| {
        let mut station = Station::new();
        (station.reads, station.calibrations.0[3]) = (reads, calibration);
        station.run(9 * HOUR_US, None, ResetCause::PowerOn);
        (station.seen.into_inner().log, station.gateway.into_inner().events)
    };
    let right = log(|level_mm| level_mm, None);
    let wrong: fn(i32) -> i32 = |level_mm| 2 * level_mm - 40;
    // In centimetres, which the node makes millimetres of.
    let calibration =
        Calibration { sensor: 0, channel: 0, unit: Unit::Metre, exponent: -2, zero: -4, gain_ppm: 500_000 };
    assert!(right == log(wrong, Some(calibration)));
    assert!(right != log(wrong, None));
    // Another sensor's is none of its.
    assert!(right == log(|level_mm| level_mm, Some(Calibration { sensor: 1, ..calibration })));
}

#[test]
fn a_calibration_of_something_else_is_a_sensor_that_fails_and_the_gateway_is_told() {
    let mut station = Station::new();
    station.calibrations.0[0] =
        Some(Calibration { sensor: 0, channel: 0, unit: Unit::Pascal, exponent: 0, zero: 0, gain_ppm: 1_000_000 });
    station.run(HOUR_US, None, ResetCause::PowerOn);
    let events = station.gateway.into_inner().events;
    let hazards: Vec<Hazard> = events.iter().map(|event| event.finding.hazard).collect();
    assert_eq!(hazards, [Hazard::Node]);
}

/// The supply goes in sleeps and in the middle of words of flash, with every kind of reset, gateway away half of the time.
#[test]
fn nothing_that_was_promised_is_lost_over_resets_at_any_time_and_no_number_comes_twice() {
    let rounds = if std::env::var_os("TANBO_SOAK").is_some() { 2000 } else { 60 };
    let causes =
        [ResetCause::PowerOn, ResetCause::BrownOut, ResetCause::Watchdog, ResetCause::Software, ResetCause::Fault];
    for seed in 0..rounds {
        let mut random = fastrand::Rng::with_seed(seed);
        let station = Station::new();
        let starts = random.u64(1..12);
        for _ in 0..starts {
            let now_us = station.world.now_us();
            // Short, so that events fall into it: around the waves' beginning.
            let until_us = now_us + random.u64(1..9) * random.u64(1..HOUR_US);
            station.gateway.borrow_mut().away = random.bool().then_some(now_us + random.u64(..HOUR_US)..until_us);
            let words = random.bool().then(|| random.usize(1..400));
            station.run(until_us, words, causes[random.usize(0..causes.len())]);
        }
        station.gateway.borrow_mut().away = None;
        let now_us = station.world.now_us();
        station.run(now_us + 3 * HOUR_US, None, ResetCause::PowerOn);
        // What the air saw as an alarm lay in flash before.
        let gateway = station.gateway.borrow();
        for alarm in &gateway.alarms_on_air {
            let found = gateway.events.iter().any(|event| {
                event.finding == alarm.finding && tanbo_wire::v1::Alarm::new(alarm.finding, event.time_us) == *alarm
            });
            assert!(found, "seed {seed}: no event of {alarm:?}");
        }
        let last = gateway.heard.iter().rev().find(|(.., text)| text.starts_with("Telemetry")).expect("a report");
        assert!(last.2.contains("waiting: 0"), "seed {seed}: {last:?}");
    }
}

#[test]
fn a_brown_out_keeps_the_event_that_flash_had_no_time_for() {
    // Words of flash until the first event begins to be stored, then one more.
    let whole = Station::new();
    whole.run(7 * HOUR_US, None, ResetCause::PowerOn);
    let event = whole.seen.borrow().events[0];
    let before = |words| {
        let station = Station::new();
        station.run(7 * HOUR_US, Some(words), ResetCause::BrownOut);
        let reached = station.seen.borrow().events.first() == Some(&event);
        (reached, station)
    };
    let words = (1..2000).find(|words| before(*words).0).expect("an event");
    let mut kept = 0;
    for words in words..words + 12 {
        let (_, station) = before(words);
        station.run(10 * HOUR_US, None, ResetCause::PowerOn);
        let at_us = station.gateway.borrow().events.iter().map(|event| event.time_us - EPOCH_US).min();
        kept += u32::from(at_us.is_some_and(|at_us| at_us.abs_diff(event.time_us) < MINUTE_US));
    }
    assert_eq!(kept, 12, "the event of before the brown-out arrives wherever its record was cut");

    // The supply goes again at each word that the next start writes, and once more: the event is there all the same. It may come twice, where
    // the supply went while it got another number.
    for cut in 0..60 {
        let (_, station) = before(words + 6);
        station.run(7 * HOUR_US, Some(cut), if cut % 2 == 0 { ResetCause::PowerOn } else { ResetCause::BrownOut });
        station.run(7 * HOUR_US, Some(cut / 2), ResetCause::PowerOn);
        station.run(8 * HOUR_US, None, ResetCause::PowerOn);
        let gateway = station.gateway.borrow();
        let mut times = gateway.events.iter().map(|event| event.time_us - EPOCH_US);
        assert!(times.any(|at_us| at_us.abs_diff(event.time_us) < MINUTE_US), "{cut}");
    }
}

#[test]
fn the_gateway_changes_settings_and_commands() {
    let station = Station::new();
    station.gateway.borrow_mut().asks = vec![
        (0, Message::Set(Set { key: key::LEVEL, value: 250 })),
        (0, Message::Set(Set { key: key::LEVEL, value: 1_000_000 })),
        (0, Message::Set(Set { key: 63, value: 1 })),
        (HOUR_US, Message::Command(Command::SelfTest)),
        (HOUR_US, Message::Set(Set { key: key::WATCH, value: 1 })),
    ];
    station.run(2 * HOUR_US, None, ResetCause::Software);
    {
        let gateway = station.gateway.borrow();
        let applied: Vec<&str> =
            gateway.heard.iter().map(|(.., text)| text.as_str()).filter(|text| text.starts_with("Applied")).collect();
        let outcomes = [
            "value: 250, outcome: Applied",
            "value: 250, outcome: OutOfRange",
            "value: 0, outcome: UnknownKey",
            "value: 1, outcome: Applied",
        ];
        assert_eq!(applied.len(), 4, "{applied:?}");
        for (applied, outcome) in applied.iter().zip(outcomes) {
            assert!(applied.contains(outcome), "{applied}");
        }
        assert_eq!(gateway.count("Telemetry"), 2, "one at the start, one on request");
    }
    // After a reset the level still has its zero.
    station.run(4 * HOUR_US, None, ResetCause::Software);
    let gateway = station.gateway.borrow();
    let last = gateway.readings.last().expect("readings");
    assert_eq!(last.1, level_mm(last.0 * 1_000_000 - EPOCH_US) + 250);
}

#[test]
fn a_gauge_that_dies_is_told_and_started_again() {
    let station = Station::new();
    station.run(HOUR_US, None, ResetCause::Software);
    station.broken.set(true);
    station.run(3 * HOUR_US, None, ResetCause::Software);
    station.broken.set(false);
    station.run(4 * HOUR_US, None, ResetCause::Software);
    let gateway = station.gateway.borrow();
    let nodes: Vec<bool> = gateway
        .events
        .iter()
        .filter(|event| event.finding.hazard == Hazard::Node)
        .map(|event| event.finding.begins)
        .collect();
    // The start after that knows nothing of it: it only tells a sensor that dies.
    assert_eq!(nodes, [true]);
    assert!(
        gateway.heard.iter().any(|(.., text)| text.starts_with("Heartbeat")),
        "no readings: a sign of life instead"
    );
}

#[test]
fn an_alarm_fits_where_nothing_else_does() {
    let station = Station::new();
    station.gateway.borrow_mut().room = Some(25);
    station.run(7 * HOUR_US, None, ResetCause::PowerOn);
    let gateway = station.gateway.borrow();
    assert!(gateway.count("Alarm") >= 2 && gateway.events.is_empty());
    let last = gateway.heard.iter().rev().find(|(.., text)| text.starts_with("Heartbeat")).expect("a heartbeat");
    assert!(last.2.contains("waiting: 0"), "an acknowledged alarm settles its event: {last:?}");
}
