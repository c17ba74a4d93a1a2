//! Pressure tendency: storms and quiet days with the sun's tides, and what goes wrong at a barometer.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use tanbo_methods::pressure::{Falls, Pressure, THRESHOLD_SCORE, Tendency, Tide};

const STEP_US: u64 = 600_000_000;
const DAY: u64 = 144;
const HOUR: u64 = 6;
const MANILA: Tide = Tide { latitude_mdeg: 14_600, longitude_mdeg: 120_980 };
const STATION: Pressure = Pressure { tide: Some(MANILA), ..Pressure::CYCLONE };

fn tendency(parameters: Pressure) -> Tendency<22> {
    Tendency::new(parameters).unwrap()
}

/// Steps at which the score reaches the threshold.
fn alarms(parameters: Pressure, readings: impl IntoIterator<Item = (u64, Option<i32>)>) -> Vec<u64> {
    let mut method = tendency(parameters);
    readings
        .into_iter()
        .filter_map(|(step, reading)| {
            let falls = method.push(step * STEP_US, reading, Some(step * STEP_US))?;
            (falls.score >= THRESHOLD_SCORE).then_some(step)
        })
        .collect()
}

/// A tropical day: the tides, weather that wanders by some hPa in days, noise of 3 Pa.
fn quiet(random: &mut fastrand::Rng, step: u64) -> i32 {
    let days = step as f64 / DAY as f64;
    let weather = 250.0 * (days / 0.9).sin() + 150.0 * (days / 0.37).cos();
    101_000 + weather as i32 + MANILA.pa(step * STEP_US) + random.i32(-3..=3)
}

#[test]
fn the_sun_raises_the_pressure_at_ten_and_lowers_it_at_four() {
    let equator = Tide { latitude_mdeg: 0, longitude_mdeg: 0 };
    let day: Vec<i32> = (0..DAY).map(|step| equator.pa(step * STEP_US)).collect();
    let hour = |extreme: Option<&i32>| day.iter().position(|pa| Some(pa) == extreme).unwrap() as u64 / HOUR;
    assert_eq!((hour(day.iter().max()), hour(day.iter().min())), (9, 15));
    assert_eq!((day.iter().max(), day.iter().min()), (Some(&141), Some(&-171)));
    // 121° east is eight hours ahead; a pole has no tide.
    let east = Tide { latitude_mdeg: 0, longitude_mdeg: 120_000 };
    assert_eq!(east.pa(0), equator.pa(8 * HOUR * STEP_US));
    assert_eq!(Tide { latitude_mdeg: 90_000, longitude_mdeg: 0 }.pa(0), 0);
    // 2 hPa in three hours, which is what an alarm must not be made of.
    let most = (18..DAY as usize).map(|at| day[at - 18] - day[at]).max();
    assert_eq!(most, Some(206));
}

#[test]
fn a_straight_fall_gives_its_rate() {
    let mut method = tendency(Pressure { fall_3h_pa: 640, fall_1h_pa: 320, stuck_samples: 0, ..Pressure::CYCLONE });
    for step in 0..30u64 {
        let falls = method.push(step * STEP_US, Some(101_000 - 20 * step as i32), None);
        let three_hours_pa = (step >= 18).then_some(360);
        let one_hour_pa = (step >= 6).then_some(120);
        let score = if step >= 18 { 36 } else { 24 };
        assert_eq!(falls, one_hour_pa.map(|_| Falls { three_hours_pa, one_hour_pa, score }), "step {step}");
    }
}

#[test]
fn a_month_of_quiet_raises_nothing_and_a_cyclone_does() {
    let mut random = fastrand::Rng::with_seed(1);
    assert_eq!(alarms(STATION, (0..30 * DAY).map(|step| (step, Some(quiet(&mut random, step))))), []);
    // Holland (1980): p = pc + Δp·exp(−(Rmax/r)^B), 60 hPa deep, Rmax 40 km, B 1.5, passing at 30 km, 18 km/h.
    let storm = |step: u64| {
        let along = (step as f64 - 10.0 * DAY as f64) * 3.0;
        let r = along.hypot(30.0);
        (-6000.0 * (1.0 - (-(40.0 / r).powf(1.5)).exp())) as i32
    };
    let found = alarms(STATION, (0..20 * DAY).map(|step| (step, Some(quiet(&mut random, step) + storm(step)))));
    let first = found[0];
    // Hours before the eye is nearest.
    assert!((10 * DAY - 8 * HOUR..10 * DAY - 2 * HOUR).contains(&first), "{first}");
    assert!(*found.last().unwrap() <= 10 * DAY + 2 * HOUR, "rising pressure is no alarm");
}

#[test]
fn holes_are_bridged_or_said() {
    let fall = |missing: &[u64]| {
        let mut method = tendency(Pressure { stuck_samples: 0, ..Pressure::CYCLONE });
        let push = |step| {
            let reading = (!missing.contains(&step)).then_some(101_000 - 7 * step as i32);
            method.push(step * STEP_US, reading, None)
        };
        (0..=40).map(push).last().unwrap()
    };
    let whole = fall(&[]);
    assert_eq!(whole.map(|falls| falls.three_hours_pa), Some(Some(126)));
    // The reading of three hours ago and its neighbours.
    assert_eq!(fall(&[22]), whole);
    assert_eq!(fall(&[21, 22, 23]), whole);
    assert_eq!(fall(&[20, 21, 22, 23]).map(|falls| falls.three_hours_pa), Some(None));
    assert_eq!(fall(&[40]), None);
}

#[test]
fn spikes_dropouts_and_set_clocks_raise_nothing() {
    let mut random = fastrand::Rng::with_seed(2);
    let mut bad = fastrand::Rng::with_seed(3);
    let readings = (0..30 * DAY).map(|step| {
        let level = quiet(&mut random, step);
        let reading = match bad.u8(0..10) {
            0 => None,
            1 => Some(0),
            2 => Some(i32::MAX),
            // A door slams, up.
            3 if step % 7 == 0 => Some(level + 2000),
            _ => Some(level),
        };
        (step, reading)
    });
    // A spike upward looks like a fall for the three hours that follow, unless it is dropped.
    assert_eq!(alarms(STATION, readings), []);
    // The clock is not known, then known: the tide begins to count.
    let mut method = tendency(STATION);
    for step in 0..4 * DAY {
        let utc = (step > DAY).then_some(step * STEP_US);
        let falls = method.push(step * STEP_US, Some(quiet(&mut random, step)), utc);
        assert!(falls.is_none_or(|falls| falls.score < THRESHOLD_SCORE));
        let starting = (0..6).contains(&step) || (DAY + 1..DAY + 7).contains(&step);
        assert_eq!(falls.is_some(), !starting, "step {step}");
    }
    // The sensor hangs for a day at the top of the tide.
    let mut held = 0;
    let hung = (0..6 * DAY).map(|step| {
        let level = quiet(&mut random, step);
        held = if (2 * DAY..3 * DAY).contains(&step) { held } else { level };
        (step, Some(held))
    });
    assert_eq!(alarms(STATION, hung), []);
}

#[test]
fn refuses_parameters_out_of_range() {
    let refused = |parameters| Tendency::<22>::new(parameters).err().unwrap().name;
    assert_eq!(refused(Pressure { interval_s: 59, ..STATION }), "interval_s");
    assert_eq!(refused(Pressure { interval_s: 700, ..STATION }), "interval_s: remainder of 3600 s");
    assert_eq!(refused(Pressure { interval_s: 60, ..STATION }), "slots of the method");
    assert_eq!(refused(Pressure { bridge_s: 3601, ..STATION }), "bridge_s");
    assert_eq!(refused(Pressure { fall_3h_pa: 0, ..STATION }), "fall_3h_pa");
    let nowhere = Tide { latitude_mdeg: 90_001, longitude_mdeg: 0 };
    assert_eq!(refused(Pressure { tide: Some(nowhere), ..STATION }), "tide.latitude_mdeg");
}
