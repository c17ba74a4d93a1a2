//! A paddy: its water falls by day and by percolation, and rain raises it; what the node's pump brings the world adds.

use std::f64::consts::{PI, TAU};

use super::sea::{AIR_MM, ms5837};
use super::sky::sht4x;
use super::{Kind, PERIOD_S, normal, of_day};

/// Water over the surface at the beginning, and the depth of the sensor below it.
const START_MM: f64 = -110.0;
pub const DEPTH_MM: f64 = 400.0;
/// What the crop takes in a day, and what a leaky field loses.
const CROP_MM: f64 = 5.0 * 1.2;
const LOSSES_MM: f64 = 40.0;
/// Showers per day, and rain of one, an hour long.
const SHOWERS: f64 = 0.4;
const SHOWER_MM: f64 = 12.0;
/// What waves and the sensor leave in a reading.
const NOISE_MM: f64 = 1.5;

/// Returns what the gauge in the field tube measures.
pub fn gauge(kind: Kind, start_s: u64) -> impl Iterator<Item = Vec<i32>> + Send {
    let mut random = fastrand::Rng::with_seed(kind.seed ^ start_s << 8);
    let (mut level, mut rains_until) = (START_MM, 0.0);
    let of_a_day = PERIOD_S as f64 / 86_400.0;
    (0..).map(move |number| {
        let second = (start_s + PERIOD_S * number) as f64;
        // The crop drinks while the sun shines.
        let sun = PI * (TAU * (of_day(second) - 0.25)).sin().max(0.0);
        level -= (CROP_MM * sun + LOSSES_MM) * of_a_day;
        if !kind.quiet && random.f64() < SHOWERS * of_a_day {
            rains_until = second + 3600.0;
        }
        if second < rains_until {
            level += SHOWER_MM * PERIOD_S as f64 / 3600.0;
        }
        ms5837(AIR_MM + DEPTH_MM + level + NOISE_MM * normal(&mut random), 2_600)
    })
}

/// Returns what the hygrometer measures.
pub fn hygrometer(kind: Kind, start_s: u64) -> impl Iterator<Item = Vec<i32>> + Send {
    let mut random = fastrand::Rng::with_seed(kind.seed ^ start_s << 8 ^ 1 << 32);
    (0..).map(move |number| {
        let day = of_day((start_s + PERIOD_S * number) as f64);
        let wave = (TAU * (day - 4.0 / 24.0)).cos();
        sht4x(28.0 - 4.0 * wave + 0.05 * normal(&mut random), 0.7 + 0.2 * wave + 0.002 * normal(&mut random))
    })
}
