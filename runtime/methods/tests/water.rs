//! Mofjeld's detector against another implementation, and on synthetic tides with what goes wrong at a gauge.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use tanbo_methods::ParameterError;
use tanbo_methods::water::{Mofjeld, Residual, WaterLevel, score};

const MINUTE_US: u64 = 60_000_000;
const DAY: usize = 1440;

#[test]
fn equals_another_implementation_in_every_bit() {
    let mut deep = Mofjeld::<{ WaterLevel::DEEP_OCEAN.slots() }>::new(WaterLevel::DEEP_OCEAN).unwrap();
    let mut coast = Mofjeld::<{ WaterLevel::COAST.slots() }>::new(WaterLevel::COAST).unwrap();
    let mut judged = [0, 0];
    for line in include_str!("../golden/water.csv").lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let time_us = cells[1].parse::<u64>().unwrap() * 1_000_000;
        let level = cells[2].parse().ok();
        let found = match cells[0] {
            "deep" => deep.push(time_us, level),
            _ => coast.push(time_us, level),
        };
        let expected = cells[3].parse().ok().map(|um| Residual { um, averages: cells[4].parse().unwrap() });
        assert_eq!(found, expected, "{line}");
        judged[usize::from(cells[0] == "coast")] += usize::from(found.is_some());
    }
    // Two hours and five minutes pass until there is a parabola; some readings of the other are missing.
    assert_eq!(judged, [400, 266]);
}

/// A tide of four constituents, red noise of 7 mm, all reproducible.
struct Sea {
    random: fastrand::Rng,
    red: f64,
}

impl Sea {
    fn new(seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), red: 0.0 }
    }

    fn level_mm(&mut self, minute: usize) -> f64 {
        let hours = minute as f64 / 60.0;
        let constituents = [(520.0, 12.4206, 0.3), (160.0, 12.0, 1.1), (210.0, 23.9345, 2.0), (130.0, 25.8193, 0.7)];
        let tide: f64 = constituents
            .iter()
            .map(|(amplitude, period, phase)| amplitude * (std::f64::consts::TAU * hours / period + phase).cos())
            .sum();
        let white: f64 = (0..12).map(|_| self.random.f64()).sum::<f64>() - 6.0;
        // An hour's memory, 7 mm in all.
        let memory = (-1.0f64 / 60.0).exp();
        self.red = memory * self.red + 7.0 * (1.0 - memory * memory).sqrt() * white;
        tide + self.red
    }
}

/// A packet that arrives at `start` and decays over an hour.
fn packet(minute: usize, start: usize, amplitude_mm: f64, period_min: f64) -> f64 {
    if minute < start {
        return 0.0;
    }
    let age = (minute - start) as f64;
    amplitude_mm * (std::f64::consts::TAU * age / period_min).sin() * (-age / 60.0).exp()
}

/// Minutes at which two readings in a row are `threshold` off, counted once per four hours (DART's rapid mode).
fn alarms(levels: impl IntoIterator<Item = (usize, Option<i32>)>, threshold: i8) -> Vec<usize> {
    let mut detector = Mofjeld::<{ WaterLevel::COAST.slots() }>::new(WaterLevel::COAST).unwrap();
    let mut alarms: Vec<usize> = Vec::new();
    let mut before = false;
    for (minute, level) in levels {
        let residual = detector.push(minute as u64 * MINUTE_US, level);
        let crossed = residual.is_some_and(|residual| score(residual, detector.parameters()) >= threshold);
        if crossed && before && alarms.last().is_none_or(|last| minute >= last + 240) {
            alarms.push(minute);
        }
        before = crossed;
    }
    alarms
}

fn rounded(level: f64) -> Option<i32> {
    Some(level.round() as i32)
}

#[test]
fn finds_packets_of_all_periods_and_nothing_in_twenty_quiet_days() {
    let mut sea = Sea::new(1);
    assert_eq!(alarms((0..20 * DAY).map(|minute| (minute, rounded(sea.level_mm(minute)))), 30), []);
    for period_min in [5.0, 10.0, 20.0, 40.0, 60.0] {
        for seed in 0..4 {
            let mut sea = Sea::new(seed);
            let start = DAY + 137 * seed as usize;
            let levels = (0..2 * DAY).map(|t| (t, rounded(sea.level_mm(t) + packet(t, start, 150.0, period_min))));
            let found = alarms(levels, 30);
            let first = found.first().copied().unwrap_or(usize::MAX);
            let latest = start + 4 + period_min as usize / 8;
            assert!((start..=latest).contains(&first), "period {period_min} min, packet at {start}: {found:?}");
        }
    }
}

#[test]
fn spikes_dropouts_and_hanging_sensors_raise_nothing() {
    // Single spikes of any size, one in fifty minutes.
    let mut sea = Sea::new(2);
    let mut random = fastrand::Rng::with_seed(2);
    let spiked = (0..10 * DAY).map(|t| {
        let spike = if t % 50 == 7 { f64::from(random.i32(-9000..9000)) } else { 0.0 };
        (t, rounded(sea.level_mm(t) + spike))
    });
    assert_eq!(alarms(spiked, 30), []);
    // One reading in three is missing, and the sensor is away for hours, silent, out of range, or at its last value.
    for silent in [None, Some(99_999), Some(i32::MIN), Some(123)] {
        let mut sea = Sea::new(3);
        let mut random = fastrand::Rng::with_seed(3);
        let dropped = (0..10 * DAY).map(|t| {
            let level = rounded(sea.level_mm(t));
            let away = (t / 60) % 17 == 9;
            (
                t,
                if away {
                    silent
                } else if random.u8(0..3) == 0 {
                    None
                } else {
                    level
                },
            )
        });
        let found = alarms(dropped, 30);
        if silent == Some(123) {
            // A plausible value that jumps there is an alarm until it is known to hang; not when the sensor comes back.
            assert!(found.iter().all(|t| (t / 60) % 17 == 9), "{found:?}");
        } else {
            assert_eq!(found, [], "{silent:?}");
        }
    }
}

#[test]
fn a_sensor_that_holds_its_last_value_raises_nothing_when_it_comes_back() {
    let mut sea = Sea::new(9);
    let mut held = None;
    let levels: Vec<_> = (0..6 * DAY)
        .map(|t| {
            let level = rounded(sea.level_mm(t));
            let hangs = t > DAY && t % 700 < 200;
            held = if hangs { held.or(level) } else { None };
            (t, held.or(level))
        })
        .collect();
    // Until the 60 repeats are seen the tide runs away from the value that is held, so its alarms fall in that hour.
    assert!(alarms(levels, 60).iter().all(|t| t % 700 < 60));
}

#[test]
fn the_wave_after_a_gap_is_found() {
    let mut sea = Sea::new(4);
    let start = DAY + 30;
    let levels = (0..2 * DAY).map(|t| {
        let level = rounded(sea.level_mm(t) + packet(t, start, 200.0, 15.0));
        // An hour is missing until a quarter of an hour before the wave: a parabola predicts.
        (t, if (start - 75..start - 15).contains(&t) { None } else { level })
    });
    let found = alarms(levels, 30);
    assert!(found.first().is_some_and(|first| (start..start + 6).contains(first)), "{found:?}");
}

#[test]
fn clocks_that_are_set() {
    // Back: the grid is lost, and it starts over.
    let mut sea = Sea::new(5);
    let back = (0..4 * DAY).map(|t| (if t < 2 * DAY { t + 5000 } else { t }, rounded(sea.level_mm(t))));
    assert_eq!(alarms(back, 30), []);
    // By less than half an interval: the same place of the grid.
    let mut detector = Mofjeld::<{ WaterLevel::COAST.slots() }>::new(WaterLevel::COAST).unwrap();
    let mut sea = Sea::new(6);
    for t in 0..DAY {
        let jitter = if t % 2 == 0 { 20_000_000 } else { 0 };
        let residual = detector.push(t as u64 * MINUTE_US + jitter, rounded(sea.level_mm(t)));
        assert!(residual.is_none_or(|residual| residual.um.abs() < 30_000));
        assert_eq!(residual.is_some(), t >= 125);
    }
    // Forward while readings go on: said by whoever set it.
    detector.restart();
    let later = (DAY as u64 + 90) * MINUTE_US;
    for t in 0..DAY {
        let residual = detector.push(later + t as u64 * MINUTE_US, rounded(sea.level_mm(DAY + t)));
        assert!(residual.is_none_or(|residual| residual.um.abs() < 30_000));
    }
}

#[test]
fn refuses_parameters_out_of_range() {
    let refused = |parameters| Mofjeld::<191>::new(parameters).err().unwrap().name;
    let good = WaterLevel::COAST;
    assert!(Mofjeld::<191>::new(good).is_ok());
    assert_eq!(refused(WaterLevel { interval_s: 0, ..good }), "interval_s");
    assert_eq!(refused(WaterLevel { interval_s: 7, ..good }), "interval_s: remainder of 600 s");
    assert_eq!(refused(WaterLevel::DEEP_OCEAN), "slots of the detector");
    assert_eq!(refused(WaterLevel { lead_s: 10, ..good }), "lead_s");
    assert_eq!(refused(WaterLevel { lowest_mm: 20_001, ..good }), "lowest_mm");
    assert_eq!(refused(WaterLevel { mm_per_score: 0, ..good }), "mm_per_score");
    let error: ParameterError = Mofjeld::<190>::new(good).err().unwrap();
    assert_eq!(error.to_string(), "slots of the detector = 190 is out of range: set it to 191 to 9223372036854775807");
}

#[test]
fn extremes_do_not_overflow() {
    let wild = WaterLevel {
        lowest_mm: -1_000_000_000,
        highest_mm: 1_000_000_000,
        spike_mm: u32::MAX,
        stuck_samples: 0,
        ..WaterLevel::COAST
    };
    let mut detector = Mofjeld::<191>::new(wild).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    for t in 0..3000 {
        let level = if random.bool() { 1_000_000_000 } else { -1_000_000_000 };
        if let Some(residual) = detector.push(t * MINUTE_US, (random.u8(0..3) > 0).then_some(level)) {
            assert!(score(residual, &wild) >= 0);
        }
    }
}
