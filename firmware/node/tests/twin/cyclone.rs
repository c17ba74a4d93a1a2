//! The cyclone node: a storm in three days of pressure.

use std::cell::RefCell;

use tanbo_board_api::sim::{BAROMETER, Measured, SimPower, World};
use tanbo_board_api::{Channel, Format, Quantity};
use tanbo_methods::pressure::{Pressure, THRESHOLD_SCORE};
use tanbo_node::plan::Application;
use tanbo_node::{Cyclone, cyclone};
use tanbo_pipeline::Change;
use tanbo_signal::Decision;

use crate::board::{DAY_US, Flash, HOUR_US, MINUTE_US, PAGES, Seen, drive, parts, setup};
use crate::gateway::Gateway;

const HYGROMETER: Format = Format {
    channels: &[Channel { quantity: Quantity::Humidity, exponent: -4, min: 0, max: 10_000 }],
    period_ns: 0,
    fifo_readings: 1,
    wakes: false,
};
const SETTINGS: Cyclone = Cyclone {
    pressure: Pressure::CYCLONE,
    decision: Decision { on_score: THRESHOLD_SCORE, off_score: 32, votes: 2, of_hops: 3 },
};

#[test]
fn a_storm_is_found_and_pressure_and_humidity_arrive() {
    let world = World::new(0);
    let (seen, gateway) = (RefCell::<Seen>::default(), RefCell::<Gateway>::default());
    world.cut_us.set(Some(3 * DAY_US));
    let mut power = SimPower::new(&world);
    power.watchdog_asleep = false;
    let mut parts = parts(&world, power, &gateway, &Flash::new(PAGES), Application::Cyclone, &seen);
    // 40 hPa deep, in its middle 45 hours on.
    let mut barometer = Measured::new(&world, 0, BAROMETER, |now_us, reading: &mut [i32]| {
        let minutes = (now_us / MINUTE_US) as f64;
        let fall = 400_000.0 * (-(minutes - 45.0 * 60.0).abs() / 250.0).exp();
        reading.copy_from_slice(&[10_100_000 - fall as i32 + (now_us / MINUTE_US % 7) as i32, 27_000]);
        Ok(())
    });
    let mut hygrometer = Measured::new(&world, 1, HYGROMETER, |_, reading: &mut [i32]| {
        reading.fill(8_125);
        Ok(())
    });
    let setup = setup();
    let stop = drive(&world, cyclone(&mut parts, &setup, (&mut barometer, &mut hygrometer), &SETTINGS));
    assert!(stop.is_none(), "{stop:?}");
    let (seen, gateway) = (seen.borrow(), gateway.borrow());
    let changes: Vec<(Change, u64)> = seen.events.iter().map(|event| (event.change, event.time_us / HOUR_US)).collect();
    assert_eq!(changes.iter().map(|change| change.0).collect::<Vec<_>>(), [Change::AlarmOn, Change::AlarmOff]);
    assert!((36..45).contains(&changes[0].1) && (45..50).contains(&changes[1].1), "{changes:?}");
    assert_eq!(gateway.events.len(), 2);
    // 24 reports a day, one of them the health at length; of the others one in four is the humidity.
    let of = |quantity: &str| {
        gateway.heard.iter().filter(|(.., text)| text.starts_with("Readings") && text.contains(quantity)).count()
    };
    assert!(
        (50..=52).contains(&of("quantity: Pressure")) && (16..=18).contains(&of("quantity: Humidity")),
        "{} {}",
        of("quantity: Pressure"),
        of("quantity: Humidity")
    );
    assert!(gateway.readings.iter().any(|(_, value)| *value == 81_250), "thousandths of a percent");
    assert!(gateway.heard.iter().any(|(.., text)| text.contains("temperature_c: Some(27)")));
}
