//! Stations with classical methods: readings in, events out, as with a network.

use std::f64::consts::TAU;

use tanbo_methods::paddy::Awd;
use tanbo_methods::pressure::{Pressure, THRESHOLD_SCORE, Tendency};
use tanbo_methods::water::{Mofjeld, WaterLevel};
use tanbo_pipeline::{Barometer, Change, Detector, Event, FieldTube, Hop, Shaking, Station};
use tanbo_signal::{Decision, FrontEndError, StaLta};

const MINUTE_US: u64 = 60_000_000;

/// Events of a station over readings with their times.
fn events<D: Detector<Error = core::convert::Infallible>>(
    station: &mut Station<D>,
    readings: impl IntoIterator<Item = (u64, D::Reading)>,
) -> Vec<Event> {
    let mut events = Vec::new();
    for (time_us, reading) in readings {
        let Ok(()) = station.push(time_us, reading, |hop: Hop| events.extend(hop.event));
    }
    events
}

/// Changes and their times in units of `unit_us`.
fn changes(events: &[Event], unit_us: u64) -> Vec<(Change, u64)> {
    events.iter().map(|event| (event.change, event.time_us / unit_us)).collect()
}

#[test]
fn shaking_without_a_model() {
    let decision = Decision { on_score: 64, off_score: i8::MIN, votes: 2, of_hops: 4 };
    let mut station = Station::with(Shaking::new(StaLta::SEISMIC, 8).unwrap(), decision).unwrap();
    let mut random = fastrand::Rng::with_seed(1);
    let mut sample = |index: u64| {
        let amplitude = if (3000..3200).contains(&index) { 3000 } else { 100 };
        [0, 0, 981_000].map(|rest| rest + random.i32(-amplitude..=amplitude))
    };
    let record = (0..5000).map(|index| (StaLta::SEISMIC.rate.micros(index), sample(index)));
    let found = events(&mut station, record);
    let [on, off] = found[..] else { panic!("{found:?}") };
    assert_eq!((on.change, off.change), (Change::AlarmOn, Change::AlarmOff));
    assert!((3000..3032).contains(&on.sample), "{on:?}");
    assert!((3200..3600).contains(&off.sample), "{off:?}");
    assert_eq!(on.sample % 8, 7, "a hop ends with its last sample");
    assert!(matches!(Shaking::new(StaLta::SEISMIC, 0).err(), Some(FrontEndError::Field { name: "hop_samples", .. })));
}

#[test]
fn a_tsunami_by_two_crossings_of_30_mm() {
    let detector = Mofjeld::<{ WaterLevel::COAST.slots() }>::new(WaterLevel::COAST).unwrap();
    let decision = Decision { on_score: 30, off_score: 30, votes: 2, of_hops: 2 };
    let mut station = Station::with(detector, decision).unwrap();
    let tide = |t: u64| 600.0 * (TAU * t as f64 / 745.2).cos();
    let wave = |t: u64| {
        if t < 1000 {
            0.0
        } else {
            300.0 * (TAU * (t - 1000) as f64 / 20.0).sin() * (-((t - 1000) as f64) / 40.0).exp()
        }
    };
    let record = (0..3000u64).map(|t| {
        // One spike; and a sensor that is away for the wave's first ten minutes, so that half a new average must come first.
        let spike = if t == 700 { 5000.0 } else { 0.0 };
        let level = (!(1002..1012).contains(&t)).then(|| (tide(t) + wave(t) + spike).round() as i32);
        (t * MINUTE_US, level)
    });
    let found = events(&mut station, record);
    assert_eq!(found.first().map(|event| (event.change, event.sample)), Some((Change::AlarmOn, 1018)), "{found:?}");
    assert_eq!(found.last().map(|event| event.change), Some(Change::AlarmOff));
}

#[test]
fn a_storm_by_two_of_three_readings() {
    let detector = Tendency::<{ Pressure::CYCLONE.slots() }>::new(Pressure::CYCLONE).unwrap();
    let decision = Decision { on_score: THRESHOLD_SCORE, off_score: 32, votes: 2, of_hops: 3 };
    let mut station = Station::with(detector, decision).unwrap();
    let record = (0..400u64).map(|step| {
        let along = step.abs_diff(250) as f64;
        let fall = 4000.0 * (-along / 25.0).exp();
        let noise = if step % 2 == 0 { 1 } else { -1 };
        let reading = Barometer { pressure_pa: Some(101_000 - fall as i32 + noise), utc_us: None };
        (step * 10 * MINUTE_US, reading)
    });
    assert_eq!(
        changes(&events(&mut station, record), 10 * MINUTE_US),
        [(Change::AlarmOn, 221), (Change::AlarmOff, 260)]
    );
}

#[test]
fn a_paddy_that_wants_water_and_one_that_has_enough() {
    let decision = Decision { on_score: 0, off_score: -63, votes: 2, of_hops: 2 };
    let mut station = Station::with(Awd::SAFE, decision).unwrap();
    let tube = |level_mm, day| FieldTube { level_mm, day };
    let levels = [-140, -151, -100, -150, -152, -10, 49, 50, 51, 40];
    let record: Vec<_> = (0..).zip(levels).map(|(t, level)| (t, tube(Some(level), 30))).collect();
    let found = events(&mut station, record);
    assert_eq!(changes(&found, 1), [(Change::AlarmOn, 4), (Change::AlarmOff, 8)]);
    // The sensor is silent: the alarm stays; the field is to dry: it ends.
    let record = [
        (10, Some(-160), 50),
        (11, Some(-160), 50),
        (12, None, 50),
        (13, None, 50),
        (14, Some(-170), 110),
        (15, Some(-170), 110),
    ];
    let found = events(&mut station, record.map(|(t, level, day)| (t, tube(level, day))));
    assert_eq!(changes(&found, 1), [(Change::AlarmOn, 11), (Change::AlarmOff, 15)]);
}

#[test]
fn a_decision_out_of_range_is_refused() {
    let decision = Decision { on_score: 0, off_score: 1, votes: 1, of_hops: 1 };
    let error = Station::with(Awd::SAFE, decision).err();
    assert_eq!(error, Some(FrontEndError::Field { name: "decision.off_score", value: 1 }));
}
