//! The air: its tides, the weather, and a cyclone that passes.

use std::f64::consts::TAU;

use tanbo_board_mps2::world::chips::DPS310_COEFFICIENTS;
use tanbo_drivers::dps310::{Coefficients, Oversampling};

use super::{Kind, PERIOD_S, normal, of_day, raw};

/// Pressure far from the storm, and in its eye.
const FAR_PA: f64 = 101_000.0;
const EYE_PA: f64 = 96_000.0;
/// Holland's B and the radius of the strongest winds.
const B: f64 = 1.5;
const RADIUS_KM: f64 = 40.0;
/// The storm comes nearest at this time, so near, so fast.
const NEAREST_S: f64 = 18.0 * 3600.0;
const NEAREST_KM: f64 = 25.0;
const KM_PER_S: f64 = 20.0 / 3600.0;
/// The weather: correlation from reading to reading and standard deviation, Pa; the sensor's noise.
const WEATHER: (f64, f64) = (0.999_95, 250.0);
const NOISE_PA: f64 = 1.0;
/// Half of the difference of the tide's highest, at 10 and 22 h, and lowest.
const TIDE_PA: f64 = 110.0;

/// Pressure of a storm so far away (G. J. Holland, "An analytic model of the wind and pressure profiles in hurricanes", 1980):
/// p = p_c + (p_n − p_c)·exp(−(R/r)^B).
fn holland_pa(kilometres: f64) -> f64 {
    EYE_PA + (FAR_PA - EYE_PA) * (-(RADIUS_KM / kilometres).powf(B)).exp()
}

/// Returns both raw values of a DPS310 at an oversampling of 16. Both values fall as the raw ones rise.
fn dps310(pascal: f64, celsius: f64) -> Vec<i32> {
    const SCALE: i32 = 253_952;
    let coefficients = Coefficients::read(DPS310_COEFFICIENTS);
    let values = |pressure: i32, temperature: i32| {
        coefficients.compensate(Oversampling::X16, pressure, temperature).map_or([i64::MIN; 2], |v| v.map(i64::from))
    };
    let find = |target: f64, value: &dyn Fn(i32) -> i64| raw(1 - SCALE, SCALE - 1, -(target as i64), |raw| -value(raw));
    let temperature = find(celsius * 1000.0, &|temperature| values(0, temperature)[1]);
    vec![find(pascal * 100.0, &|pressure| values(pressure, temperature)[0]), temperature]
}

/// Returns what the barometer measures.
pub fn barometer(kind: Kind, start_s: u64) -> impl Iterator<Item = Vec<i32>> + Send {
    let mut random = fastrand::Rng::with_seed(kind.seed ^ start_s << 8);
    let mut weather = 0.0;
    (0..).map(move |number| {
        let second = (start_s + PERIOD_S * number) as f64;
        let (correlation, deviation) = WEATHER;
        weather = correlation * weather + (1.0 - correlation * correlation).sqrt() * deviation * normal(&mut random);
        let tide = TIDE_PA * (2.0 * TAU * (of_day(second) - 10.0 / 24.0)).cos();
        let along = (second - NEAREST_S) * KM_PER_S;
        let storm = if kind.quiet { FAR_PA } else { holland_pa(along.hypot(NEAREST_KM)) };
        dps310(storm + weather + tide + NOISE_PA * normal(&mut random), celsius(second))
    })
}

fn celsius(second: f64) -> f64 {
    27.0 - 3.0 * (TAU * (of_day(second) - 4.0 / 24.0)).cos()
}

/// Returns both raw values of an SHT4x; saturated is a humidity of 1.
pub fn sht4x(celsius: f64, humidity: f64) -> Vec<i32> {
    let steps = |share: f64| (share * 65_535.0).round() as i32;
    vec![steps((celsius + 45.0) / 175.0), steps((100.0 * humidity + 6.0) / 125.0)]
}

/// Returns what the hygrometer measures.
pub fn hygrometer(kind: Kind, start_s: u64) -> impl Iterator<Item = Vec<i32>> + Send {
    let mut random = fastrand::Rng::with_seed(kind.seed ^ start_s << 8 ^ 1 << 32);
    (0..).map(move |number| {
        let second = (start_s + PERIOD_S * number) as f64;
        let humidity = 0.8 + 0.1 * (TAU * (of_day(second) - 4.0 / 24.0)).cos();
        sht4x(celsius(second) + 0.05 * normal(&mut random), humidity + 0.002 * normal(&mut random))
    })
}
