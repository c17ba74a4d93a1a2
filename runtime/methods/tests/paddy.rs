//! A season of a paddy under AWD, and whatever may happen to its pump.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use proptest::prelude::*;
use tanbo_methods::fao56::{Day, Humidity, Site, Sun, reference};
use tanbo_methods::paddy::{Awd, Crop, ENOUGH_SCORE, Field, Flows, Want};
use tanbo_methods::pump::{Controller, Off, Pump, Relay, Retained};

const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const FIELD: Field = Field { losses_um: 3000, outlet_mm: 100, bottom_mm: 600, porosity_permille: 1000 };
const PUMP: Pump =
    Pump { longest_run_s: 8 * 3600, rest_s: 900, longest_day_s: 16 * 3600, stale_s: 1800, proof_s: 3600, proof_mm: 3 };

#[test]
fn the_balance_adds_up() {
    let flows =
        Flows { minutes: 1440, rain_um: 12_000, irrigation_um: 0, reference_um_per_day: 5000, crop_permille: 1200 };
    // 12 − 1.2·5 − 3 = 3 mm.
    assert_eq!(FIELD.after(20_000, &flows), 23_000);
    assert_eq!(FIELD.after(99_000, &flows), 100_000, "the bund overflows");
    let dry = Flows { rain_um: 0, ..flows };
    assert_eq!(FIELD.after(4000, &dry), -5000);
    let half = Field { porosity_permille: 100, ..FIELD };
    // 4 mm over the surface, then 5 mm out of pores that are a tenth of the soil.
    assert_eq!(half.after(4000, &dry), -50_000);
    assert_eq!(half.after(-50_000, &Flows { rain_um: 18_000, ..flows }), 4000);
    // At the bottom only the crop takes water, and the level stays.
    assert_eq!(FIELD.after(-600_000, &dry), -600_000);
    assert_eq!(FIELD.after(i32::MIN, &Flows { minutes: u16::MAX, ..flows }), -600_000);
}

#[test]
fn when_water_will_be_wanted() {
    // 3 + 1.2·5 mm per day are 0.375 mm per hour.
    let dry = Flows { reference_um_per_day: 5000, crop_permille: 1200, ..Flows::default() };
    assert_eq!(FIELD.hours_until(50, 10, &dry), Some(107));
    assert_eq!(FIELD.hours_until(10, 10, &dry), Some(0));
    assert_eq!(FIELD.hours_until(50, -150, &dry), None, "more than ten days");
    assert_eq!(FIELD.hours_until(50, 10, &Flows { rain_um: 375, ..dry }), None);
    assert_eq!(FIELD.hours_until(i32::MAX, 0, &Flows::default()), None);
}

#[test]
fn the_crop_coefficient_rises_and_falls() {
    let found = [0, 15, 30, 60, 90, 105, 120, 400].map(|day| Crop::RICE.coefficient_permille(day));
    assert_eq!(found, [1050, 1125, 1200, 1200, 1200, 1050, 900, 900]);
}

#[test]
fn the_rule_follows_the_season() {
    let want = |start_mm| Some(Want { start_mm, stop_mm: 50 });
    for (day, expected) in [
        (0, want(10)),
        (13, want(10)),
        (14, want(-150)),
        (57, want(-150)),
        (58, want(10)),
        (72, want(10)),
        (73, want(-150)),
        (104, want(-150)),
        (105, None),
    ] {
        assert_eq!(Awd::SAFE.want(day), expected, "day {day}");
    }
    let awd = want(-150).unwrap();
    let scores = [-400, -151, -150, -149, 0, 49, 50, 300].map(|level| awd.score(level));
    assert_eq!(scores, [80, 0, 0, -1, -48, -63, -64, -128]);
    assert_eq!(awd.score(50), ENOUGH_SCORE);
    assert!(Awd::SAFE.validate().is_ok());
    assert_eq!(Awd { dry_mm: 50, ..Awd::SAFE }.validate().err().unwrap().name, "dry_mm");
    assert_eq!(Field { porosity_permille: 0, ..FIELD }.validate().err().unwrap().name, "porosity_permille");
}

/// A season in the dry half of the year at 17° north; returns the times the pump started, and levels at noon of each day.
fn season(awd: &Awd, seed: u64) -> (u32, Vec<i32>) {
    let mut random = fastrand::Rng::with_seed(seed);
    let site = Site { latitude_deg: 17.4, elevation_m: 540.0, wind_height_m: 2.0, coastal: false };
    let mut pump = Controller::new(PUMP, 0, Retained::default()).unwrap();
    let (mut level_um, mut starts, mut levels) = (50_000_i32, 0, Vec::new());
    let mut before = false;
    for day in 0..120u16 {
        let t_min = 14.0 + f64::from(day) / 12.0 + 3.0 * random.f64();
        let weather = Day {
            day_of_year: 10 + day,
            t_min,
            t_max: t_min + 9.0 + 5.0 * random.f64(),
            humidity: Humidity::Unknown,
            sun: Sun::Unknown,
            wind: None,
        };
        let reference_um_per_day = reference(&site, &weather).unwrap().um();
        let rain_day = random.u8(0..15) == 0;
        for quarter in 0..96u64 {
            let now = (u64::from(day) * 96 + quarter) * 15 * MINUTE;
            pump.level(now, Some(level_um.div_euclid(1000)));
            let on = pump.step(now, awd.want(day)) == Relay::On;
            starts += u32::from(on && !before);
            before = on;
            // 20 mm per hour.
            let irrigation_um = if on { 5000 } else { 0 };
            let flows = Flows {
                minutes: 15,
                rain_um: if rain_day && quarter < 8 { 2000 } else { 0 },
                irrigation_um,
                reference_um_per_day,
                crop_permille: Crop::RICE.coefficient_permille(day),
            };
            level_um = Field { porosity_permille: 300, ..FIELD }.after(level_um, &flows);
            if quarter == 48 {
                levels.push(level_um / 1000);
            }
        }
        assert_eq!(pump.retained().locked, None, "day {day}: nothing is wrong with this pump");
    }
    (starts, levels)
}

#[test]
fn a_season_of_awd_pumps_less_often_and_keeps_flowering_wet() {
    let always = Awd { established_day: 58, ..Awd::SAFE };
    for seed in 0..3 {
        // How much water it saves this cannot tell: the plain balance loses as much from a dry field as from a wet one.
        let (starts, levels) = season(&Awd::SAFE, seed);
        let (flooded_starts, _) = season(&always, seed);
        assert!(levels.iter().take(105).all(|level| (-150..=100).contains(level)), "{levels:?}");
        assert!(levels[60..=72].iter().all(|level| *level >= 10), "{levels:?}");
        assert!(levels[14..58].iter().any(|level| *level < -120), "it does dry: {levels:?}");
        assert!(levels[119] < 0, "dry at harvest: {levels:?}");
        assert!(starts < flooded_starts, "{starts} and {flooded_starts} starts");
    }
}

fn controller(retained: Retained) -> Controller {
    Controller::new(PUMP, 0, retained).unwrap()
}

const WANT: Option<Want> = Some(Want { start_mm: -150, stop_mm: 50 });

/// Steps each minute with a level until the relay changes; returns the minute and what it is.
fn until_change(pump: &mut Controller, from: u64, level: impl Fn(u64) -> Option<i32>) -> (u64, Relay) {
    let mut first = None;
    for minute in from.. {
        pump.level(minute * MINUTE, level(minute));
        let relay = pump.step(minute * MINUTE, WANT);
        if *first.get_or_insert(relay) != relay {
            return (minute, relay);
        }
    }
    unreachable!("a range without end")
}

#[test]
fn each_interlock_stops_the_pump() {
    // Rests after the reset, runs to the stop level, rests.
    let mut pump = controller(Retained::default());
    assert_eq!(until_change(&mut pump, 0, |_| Some(-160)), (15, Relay::On));
    assert_eq!(until_change(&mut pump, 15, |minute| Some(-160 + minute as i32)), (210, Relay::Off(Off::Enough)));
    pump.level(211 * MINUTE, Some(-200));
    assert_eq!(pump.step(211 * MINUTE, WANT), Relay::Off(Off::Rests));
    assert_eq!(until_change(&mut pump, 212, |_| Some(-200)), (225, Relay::On));
    // The sensor fails: off at once, and after it comes back the pump rests first.
    pump.level(226 * MINUTE, None);
    assert_eq!(pump.step(226 * MINUTE, WANT), Relay::Off(Off::NoLevel));
    assert_eq!(until_change(&mut pump, 227, |_| Some(-200)), (241, Relay::On));
    // Silence: off as soon as the reading is old.
    let stale = pump.deadline_us().unwrap();
    assert_eq!(pump.step(stale - 1, WANT), Relay::On);
    assert_eq!(pump.step(stale, WANT), Relay::Off(Off::NoLevel));

    // The level does not rise: locked out within the hour, through a reset, until somebody unlocks it.
    let mut pump = controller(Retained::default());
    until_change(&mut pump, 0, |_| Some(-160));
    assert_eq!(pump.deadline_us(), Some((15 + 30) * MINUTE + 1));
    assert_eq!(until_change(&mut pump, 15, |_| Some(-159)), (75, Relay::Off(Off::NoFlow)));
    let retained = pump.retained();
    assert_eq!(retained, Retained { locked: Some(Off::NoFlow), day_run_s: 3600 });
    let mut pump = controller(retained);
    pump.level(86_400 * SECOND, Some(-400));
    assert_eq!(pump.step(86_400 * SECOND, WANT), Relay::Off(Off::NoFlow));
    pump.unlock(86_400 * SECOND);
    assert_eq!(pump.step(86_400 * SECOND, WANT), Relay::Off(Off::Rests));
    assert_eq!(until_change(&mut pump, 1440, |_| Some(-400)), (1455, Relay::On));

    // It rises, but too slowly.
    let mut pump = controller(Retained::default());
    until_change(&mut pump, 0, |_| Some(-160));
    let slow = |minute: u64| Some(-160 + minute as i32 / 10);
    assert_eq!(until_change(&mut pump, 15, slow), (15 + 480, Relay::Off(Off::RanTooLong)));

    // A day's time is used up, a reset in between.
    let mut pump = controller(Retained { locked: None, day_run_s: 15 * 3600 });
    until_change(&mut pump, 0, |_| Some(-160));
    assert_eq!(until_change(&mut pump, 15, |minute| Some(-160 + minute as i32)), (75, Relay::Off(Off::DayFull)));

    // The gateway says so.
    let mut pump = controller(Retained::default());
    until_change(&mut pump, 0, |_| Some(-160));
    pump.lock();
    assert_eq!(pump.step(15 * MINUTE, WANT), Relay::Off(Off::Command));
    assert_eq!(pump.step(16 * MINUTE, None), Relay::Off(Off::Command));
}

#[test]
fn refuses_limits_out_of_range() {
    let refused = |pump| Controller::new(pump, 0, Retained::default()).err().unwrap().name;
    assert_eq!(refused(Pump { longest_run_s: 0, ..PUMP }), "longest_run_s");
    assert_eq!(refused(Pump { longest_day_s: 1, ..PUMP }), "longest_day_s");
    assert_eq!(refused(Pump { proof_s: 8 * 3600 + 1, ..PUMP }), "proof_s");
    assert_eq!(refused(Pump { stale_s: 0, ..PUMP }), "stale_s");
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Level(Option<i32>),
    Want(Option<Want>),
    Reset,
    Lock,
    Unlock,
}

fn acts() -> impl Strategy<Value = Vec<(u64, Act)>> {
    let level = proptest::option::weighted(0.9, -300..200).prop_map(Act::Level);
    let want = proptest::option::of((-200..0, 0..100))
        .prop_map(|want| Act::Want(want.map(|(start_mm, stop_mm)| Want { start_mm, stop_mm })));
    let act = prop_oneof![20 => level, 4 => want, 1 => Just(Act::Reset), 1 => Just(Act::Lock), 1 => Just(Act::Unlock)];
    proptest::collection::vec((0u64..2400, act), 1..300)
}

proptest! {
    #[test]
    fn whatever_happens_the_relay_is_on_only_while_it_may(acts in acts()) {
        let mut pump = controller(Retained::default());
        let (mut now, mut want, mut level, mut locked) = (0u64, WANT, None, false);
        // When the relay was switched on, and when last off or reset; how long it ran in total.
        let (mut on_since, mut off_since, mut boots) = (None::<u64>, 0, vec![0u64]);
        for (seconds, act) in acts {
            // The firmware keeps deadlines: it steps at each that falls into the wait.
            let until = now + seconds * SECOND;
            while let Some(deadline) = pump.deadline_us().filter(|deadline| *deadline < until) {
                now = now.max(deadline);
                let relay = pump.step(now, want);
                if relay != Relay::On {
                    on_since = None;
                    off_since = now;
                }
            }
            now = until;
            match act {
                Act::Level(value) => { level = value.map(|value| (now, value)); pump.level(now, value); }
                Act::Want(value) => want = value,
                Act::Reset => {
                    pump = Controller::new(PUMP, now, pump.retained()).unwrap();
                    (level, on_since, off_since) = (None, None, now);
                    boots.push(now);
                }
                Act::Lock => { pump.lock(); locked = true; }
                Act::Unlock => { pump.unlock(now); locked = false; }
            }
            let relay = pump.step(now, want);
            prop_assert_eq!(pump.deadline_us().is_some(), relay == Relay::On);
            if relay == Relay::On {
                prop_assert!(!locked);
                let (read, value) = level.unwrap();
                prop_assert!(now - read <= u64::from(PUMP.stale_s) * SECOND);
                prop_assert!(value < want.unwrap().stop_mm);
                if on_since.is_none() {
                    prop_assert!(now - off_since >= u64::from(PUMP.rest_s) * SECOND || boots.len() == 1 && off_since == 0 && now >= u64::from(PUMP.rest_s) * SECOND);
                    prop_assert!(value <= want.unwrap().start_mm);
                }
                let since = *on_since.get_or_insert(now);
                prop_assert!(now - since < u64::from(PUMP.longest_run_s) * SECOND);
            } else if on_since.take().is_some() {
                off_since = now;
            }
        }
    }
}
