//! The paddy node over a field's water balance: irrigation by need, and a pump that stops whatever breaks.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;

use tanbo_board_api::sim::{Measured, Restart, SimPower, World};
use tanbo_board_api::{Channel, FaultKind, Format, Quantity, Relay, ResetCause, Supply};
use tanbo_methods::fao56::Site;
use tanbo_methods::paddy::{Awd, Field, Flows};
use tanbo_methods::pump::Pump;
use tanbo_node::duty::Mode;
use tanbo_node::plan::Application;
use tanbo_node::{Paddy, paddy, settings::key};
use tanbo_signal::Decision;
use tanbo_wire::v1::{Command, Hazard, Message, Set};

use crate::board::{DAY_US, Flash, HOUR_US, MINUTE_US, PAGES, SECOND_US, Seen, drive, parts, setup};
use crate::gateway::{EPOCH_US, Gateway};

const GAUGE: Format = Format {
    channels: &[Channel { quantity: Quantity::Level, exponent: -3, min: -500, max: 500 }],
    period_ns: 0,
    fifo_readings: 1,
    wakes: false,
};
const AIR: Format = Format {
    channels: &[
        Channel { quantity: Quantity::Temperature, exponent: -2, min: -4_500, max: 13_000 },
        Channel { quantity: Quantity::Humidity, exponent: -4, min: 0, max: 10_000 },
    ],
    ..GAUGE
};
const PUMP: Pump =
    Pump { longest_run_s: 5_400, rest_s: 1_800, longest_day_s: 14_400, stale_s: 150, proof_s: 900, proof_mm: 3 };
const SETTINGS: Paddy = Paddy {
    awd: Awd::SAFE,
    decision: Decision { on_score: 0, off_score: -63, votes: 2, of_hops: 2 },
    pump: PUMP,
    site: Site { latitude_deg: 14.0, elevation_m: 20.0, wind_height_m: 2.0, coastal: false },
};
const FIELD: Field = Field { losses_um: 20_000, outlet_mm: 120, bottom_mm: 400, porosity_permille: 1000 };
/// What the pump brings, µm a minute: 20 cm in 50 minutes.
const PUMPED_UM: i32 = 4_000;

/// The field and what hangs on the node.
struct Plot {
    world: World,
    flash: Flash,
    gateway: RefCell<Gateway>,
    seen: RefCell<Seen>,
    restart: RefCell<Option<Restart>>,
    level_um: Cell<i32>,
    counted_us: Cell<u64>,
    on: Cell<bool>,
    /// Every switch, with its time.
    switches: RefCell<Vec<(u64, bool)>>,
    /// Times of readings that failed.
    failed: RefCell<Vec<u64>>,
    /// How the gauge fails, by the time.
    gauge: Cell<fn(u64) -> Option<FaultKind>>,
    /// What the pump brings, µm a minute.
    pumped_um: Cell<i32>,
    supply: Cell<fn(u64) -> Supply>,
}

fn plenty(_: u64) -> Supply {
    Supply { mv: Some(3_000), charge_permille: Some(900), ..Supply::default() }
}

impl Plot {
    fn new() -> Self {
        let plot = Self {
            world: World::new(0),
            flash: Flash::new(PAGES),
            gateway: RefCell::default(),
            seen: RefCell::default(),
            restart: RefCell::new(None),
            level_um: Cell::new(-100_000),
            counted_us: Cell::new(0),
            on: Cell::new(false),
            switches: RefCell::default(),
            failed: RefCell::default(),
            gauge: Cell::new(|_| None),
            pumped_um: Cell::new(PUMPED_UM),
            supply: Cell::new(plenty),
        };
        // Day 30 of the season.
        let season = (EPOCH_US / DAY_US) as i32 - 30;
        plot.gateway.borrow_mut().asks = vec![(0, Message::Set(Set { key: key::SEASON, value: season }))];
        plot
    }

    /// The water balance up to now, by minutes.
    fn flow(&self) {
        while self.counted_us.get() + MINUTE_US <= self.world.now_us() {
            self.counted_us.set(self.counted_us.get() + MINUTE_US);
            let irrigation_um = if self.on.get() { self.pumped_um.get() } else { 0 };
            let flows =
                Flows { minutes: 1, irrigation_um, reference_um_per_day: 5_000, crop_permille: 1_200, rain_um: 0 };
            self.level_um.set(FIELD.after(self.level_um.get(), &flows));
        }
    }

    fn switch(&self, on: bool) {
        self.flow();
        if self.on.replace(on) != on {
            self.switches.borrow_mut().push((self.world.now_us(), on));
        }
    }

    /// Runs until `until_us` or so many words of flash; then the board resets, which switches the relay off.
    fn run(&self, until_us: u64, words: Option<usize>, cause: ResetCause) {
        let Self { world, gateway, seen, .. } = self;
        world.restart();
        world.cut_us.set(Some(until_us));
        let restart = self.restart.borrow_mut().take();
        let mut power = restart.map_or_else(|| SimPower::new(world), |restart| SimPower::restart(world, restart));
        let supply = |now_us| self.supply.get()(now_us);
        power.supply = &supply;
        power.watchdog_asleep = false;
        let mut parts = parts(world, power, gateway, &self.flash, Application::Paddy, seen);
        parts.flash.left = words;
        let mut gauge = Measured::new(world, 0, GAUGE, |now_us, reading: &mut [i32]| {
            self.flow();
            reading.fill(self.level_um.get() / 1000);
            self.gauge.get()(now_us).map_or(Ok(()), |kind| {
                self.failed.borrow_mut().push(now_us);
                Err(kind)
            })
        });
        let mut air = Measured::new(world, 1, AIR, |now_us, reading: &mut [i32]| {
            let hour = now_us / HOUR_US % 24;
            reading.copy_from_slice(&[2_400 + 100 * (12 - hour.abs_diff(14).min(12) as i32), 7_000]);
            Ok(())
        });
        let mut relay = Switch(self);
        let setup = setup();
        let stop = drive(world, paddy(&mut parts, &setup, (&mut gauge, &mut air), &mut relay, &SETTINGS));
        assert!(stop.is_none(), "{stop:?}");
        self.switch(false);
        *self.restart.borrow_mut() = Some(parts.power.end(cause));
    }

    /// Runs of the pump: from, to.
    fn runs(&self) -> Vec<(u64, u64)> {
        let switches = self.switches.borrow();
        let pairs = switches.as_chunks::<2>();
        assert!(pairs.1.is_empty(), "it runs");
        pairs
            .0
            .iter()
            .map(|[(from, on), (to, off)]| (*from, *to, *on && !*off))
            .map(|(from, to, _)| (from, to))
            .collect()
    }

    /// The interlocks, over all starts that began at `starts`.
    fn check(&self, starts: &[u64]) {
        let runs = self.runs();
        for (number, (from, to)) in runs.iter().enumerate() {
            assert!(to - from <= u64::from(PUMP.longest_run_s) * SECOND_US, "{from} to {to} is too long");
            let before = number.checked_sub(1).map(|before| runs[before].1);
            let reset = starts.iter().rev().find(|start| *start <= from).copied();
            let rested = before.max(reset).map_or(u64::MAX, |rests| from - rests);
            assert!(rested >= u64::from(PUMP.rest_s) * SECOND_US, "{from}: rested {rested} us only");
            let blind = self.failed.borrow().iter().any(|failed| from < failed && failed < to);
            assert!(!blind, "{from} to {to}: it ran on without a level");
        }
    }
}

struct Switch<'p>(&'p Plot);

impl Relay for Switch<'_> {
    type Error = Infallible;

    fn set(&mut self, on: bool) -> Result<(), Infallible> {
        self.0.switch(on);
        Ok(())
    }

    fn is_on(&self) -> bool {
        self.0.on.get()
    }
}

#[test]
fn the_field_is_flooded_when_it_is_dry_and_evapotranspiration_is_reported() {
    let plot = Plot::new();
    plot.run(12 * DAY_US, None, ResetCause::PowerOn);
    plot.check(&[0]);
    let runs = plot.runs();
    assert!(runs.len() >= 2, "{runs:?}");
    // Two days from 10 to 15 cm below the surface, then eight from 5 cm above it.
    assert!((DAY_US..3 * DAY_US).contains(&runs[0].0), "{runs:?}");
    let gateway = plot.gateway.borrow();
    let paddy: Vec<bool> = gateway
        .events
        .iter()
        .filter(|event| event.finding.hazard == Hazard::Paddy)
        .map(|event| event.finding.begins)
        .collect();
    assert!(paddy.starts_with(&[true, false]), "{paddy:?}");
    let reports = gateway.heard.iter().filter(|(.., text)| text.contains("Evapotranspiration")).count();
    assert!((10..=12).contains(&reports), "{reports}");
    let locks = plot.seen.borrow().faults.iter().filter(|fault| fault.0 == 7).count();
    assert_eq!(locks, 0);
}

#[test]
fn a_pump_that_runs_dry_is_locked_out_until_the_gateway_allows_it_whatever_resets() {
    let plot = Plot::new();
    plot.level_um.set(-200_000);
    plot.pumped_um.set(0);
    plot.run(4 * HOUR_US, None, ResetCause::PowerOn);
    let dry = plot.runs();
    assert_eq!(dry.len(), 1);
    assert_eq!(dry[0].1 - dry[0].0, u64::from(PUMP.proof_s) * SECOND_US);
    let nodes = |plot: &Plot| -> Vec<bool> {
        plot.gateway
            .borrow()
            .events
            .iter()
            .filter(|event| event.finding.hazard == Hazard::Node)
            .map(|event| event.finding.begins)
            .collect()
    };
    assert_eq!(nodes(&plot), [true]);
    // The supply comes back: retained memory is empty, flash is not.
    plot.run(8 * HOUR_US, None, ResetCause::Watchdog);
    plot.run(12 * HOUR_US, None, ResetCause::Software);
    assert_eq!(plot.runs().len(), 1);
    plot.pumped_um.set(PUMPED_UM);
    plot.gateway.borrow_mut().asks = vec![(0, Message::Set(Set { key: key::PUMP, value: 1 }))];
    plot.run(20 * HOUR_US, None, ResetCause::Software);
    assert!(plot.runs().len() > 1);
    assert_eq!(nodes(&plot), [true, false]);
    plot.check(&[0, 4 * HOUR_US, 8 * HOUR_US, 12 * HOUR_US]);
}

#[test]
fn a_command_stops_the_pump_and_power_that_is_short_too() {
    let plot = Plot::new();
    plot.level_um.set(-200_000);
    let season = plot.gateway.borrow().asks[0];
    plot.gateway.borrow_mut().asks = vec![season, (2 * HOUR_US, Message::Command(Command::SafeState))];
    plot.run(6 * HOUR_US, None, ResetCause::Software);
    let runs = plot.runs();
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert!(runs[0].1 < 3 * HOUR_US + SECOND_US, "stopped with the next report: {runs:?}");

    let plot = Plot::new();
    plot.level_um.set(-200_000);
    plot.supply.set(|now_us| Supply { charge_permille: Some(if now_us < HOUR_US { 900 } else { 50 }), ..plenty(0) });
    plot.run(6 * HOUR_US, None, ResetCause::Software);
    let runs = plot.runs();
    assert_eq!(plot.seen.borrow().modes.last().map(|(_, mode)| *mode), Some(Mode::Survive));
    assert!(runs.len() == 1 && runs[0].1 <= HOUR_US + 15 * MINUTE_US, "{runs:?}");
}

/// Random faults of the gauge, dry wells, cuts in sleeps and in flash: no run is too long, none goes on blind, each has rested.
#[test]
fn no_fault_and_no_reset_lets_the_pump_run_on() {
    let rounds = if std::env::var_os("TANBO_SOAK").is_some() { 2000 } else { 60 };
    let gauges: [fn(u64) -> Option<FaultKind>; 4] = [
        |_| None,
        |now_us| (now_us / MINUTE_US % 7 == 3).then_some(FaultKind::Bus),
        |now_us| (now_us / HOUR_US % 3 == 1).then_some(FaultKind::NotFound),
        |now_us| (now_us / MINUTE_US % 50 > 40).then_some(FaultKind::Corrupt),
    ];
    let causes = [ResetCause::PowerOn, ResetCause::BrownOut, ResetCause::Watchdog, ResetCause::Fault];
    let mut runs = 0;
    for seed in 0..rounds {
        let mut random = fastrand::Rng::with_seed(seed);
        let plot = Plot::new();
        plot.level_um.set(-random.i32(100_000..300_000));
        let mut starts = Vec::new();
        for _ in 0..random.u64(2..10) {
            let now_us = plot.world.now_us();
            starts.push(now_us);
            plot.gauge.set(gauges[random.usize(0..gauges.len())]);
            plot.pumped_um.set([0, 1_000, PUMPED_UM, PUMPED_UM][random.usize(0..4)]);
            let words = (random.u8(0..3) == 0).then(|| random.usize(1..300));
            plot.run(now_us + random.u64(1..6 * HOUR_US), words, causes[random.usize(0..causes.len())]);
        }
        plot.check(&starts);
        runs += plot.runs().len();
    }
    assert!(runs > rounds as usize, "{runs} runs");
}
