//! The sea at a gauge: tides, weather, waves, and a tsunami.

use std::f64::consts::TAU;

use tanbo_board_mps2::world::chips::MS5837_CALIBRATION;
use tanbo_drivers::ms5837::{Calibration, Model};

use super::{Kind, PERIOD_S, normal, raw};

/// Partial tides: amplitude in mm, period in hours (M2, S2, N2, K1, O1).
const TIDES: [(f64, f64); 5] =
    [(400.0, 12.420_601), (120.0, 12.0), (80.0, 12.658_348), (100.0, 23.934_47), (70.0, 25.819_342)];
/// The surge, and what waves leave in a reading: correlation from minute to minute and standard deviation, mm.
const SURGE: (f64, f64) = (0.9999, 60.0);
const WAVES: (f64, f64) = (0.3, 7.0);
/// Depth of the sensor at mean sea level, and the air above the water as water, mm.
const DEPTH_MM: f64 = 5_000.0;
pub const AIR_MM: f64 = 10_332.0;
/// The tsunami: first, from one to the next, s; amplitude, mm; period, and how fast it fades, s.
const FIRST_S: f64 = 11.0 * 3600.0;
const APART_S: f64 = 53.0 * 3600.0;
const AMPLITUDE_MM: f64 = 350.0;
const WAVE_S: f64 = 1500.0;
const FADES_S: f64 = 9000.0;
/// Of the water at the sensor, hundredths of a degree.
const CELSIUS_X100: i64 = 1_850;
/// Of a mm of fresh water, and of the chip's unit.
const PA_PER_MM: f64 = 9.806_65;
const UNIT_PA: f64 = 10.0;

/// Returns both raw values of an MS5837-30BA under so much water and air.
pub fn ms5837(millimetres: f64, celsius_x100: i64) -> Vec<i32> {
    let calibration = Calibration(MS5837_CALIBRATION);
    let values = |pressure: i32, temperature: i32| {
        calibration.compensate(Model::Ba30, pressure.cast_unsigned(), temperature.cast_unsigned())
    };
    let most = (1 << 24) - 1;
    let temperature = raw(1, most, celsius_x100, |temperature| values(most / 2, temperature)[1].into());
    let target = (millimetres * PA_PER_MM / UNIT_PA).round() as i64;
    vec![raw(1, most, target, |pressure| values(pressure, temperature)[0].into()), temperature]
}

/// Returns what the gauge measures.
pub fn gauge(kind: Kind, start_s: u64) -> impl Iterator<Item = Vec<i32>> + Send {
    let mut random = fastrand::Rng::with_seed(kind.seed ^ start_s << 8);
    let (mut surge, mut waves) = (0.0, 0.0);
    let follow = |value: f64, (correlation, deviation): (f64, f64), random: &mut fastrand::Rng| {
        correlation * value + (1.0 - correlation * correlation).sqrt() * deviation * normal(random)
    };
    (0..).map(move |number| {
        let second = (start_s + PERIOD_S * number) as f64;
        surge = follow(surge, SURGE, &mut random);
        waves = follow(waves, WAVES, &mut random);
        let tides: f64 = TIDES.iter().map(|(mm, hours)| mm * (TAU * second / (hours * 3600.0)).cos()).sum();
        let since = second - FIRST_S;
        let tsunami = if since < 0.0 || kind.quiet {
            0.0
        } else {
            let into = since % APART_S;
            AMPLITUDE_MM * (-into / FADES_S).exp() * (TAU * into / WAVE_S).sin()
        };
        ms5837(AIR_MM + DEPTH_MM + tides + surge + waves + tsunami, CELSIUS_X100)
    })
}
