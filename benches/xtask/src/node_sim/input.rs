//! What the world does: shaking ground, tides, storms and paddies, the same for the same seed.
//!
//! Generators, not recordings, but for the earthquake, which is the fixture of the seismic model. What they are good for is to see a
//! node at work for days; how well it detects is measured on recordings, on the models' cards.

mod field;
mod ground;
mod sea;
mod sky;

use tanbo_node::plan::Application;

use crate::workspace::Error;

/// What makes the level in the field tube from the gauge's, mm.
pub const PADDY_LEVEL_MM: i32 = -(field::DEPTH_MM + sea::AIR_MM) as i32;

/// Readings of a chip, one after the other.
pub type Readings = Box<dyn Iterator<Item = Vec<i32>> + Send>;

/// What input is like.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub application: Application,
    pub seed: u64,
    /// Nothing but what is always there: noise and tides.
    pub quiet: bool,
    /// From one earthquake to the next, and until the first, s, where it is not as usual.
    pub quakes_s: Option<u64>,
}

/// Returns what each of an application's sensors measures, from `start_s` of the world on.
///
/// # Errors
/// A fixture that cannot be read.
pub fn feeds(kind: Kind, start_s: u64) -> Result<Vec<Readings>, Error> {
    Ok(match kind.application {
        Application::Seismic => ground::feeds(kind, start_s)?,
        Application::Water => vec![Box::new(sea::gauge(kind, start_s))],
        Application::Cyclone => vec![Box::new(sky::barometer(kind, start_s)), Box::new(sky::hygrometer(kind, start_s))],
        Application::Paddy => vec![Box::new(field::gauge(kind, start_s)), Box::new(field::hygrometer(kind, start_s))],
    })
}

/// From one reading to the next of what is measured on request, s.
const PERIOD_S: u64 = tanbo_board_mps2::world::MINUTE_US / 1_000_000;

/// A number of mean 0 and variance 1, nearly normal: four even ones (Irwin–Hall).
fn normal(random: &mut fastrand::Rng) -> f64 {
    let bits = random.u64(..);
    let sum: u64 = (0..4).map(|part| bits >> (16 * part) & 0xffff).sum();
    (sum as f64 / 65_536.0 - 2.0) * 3f64.sqrt()
}

/// Where in the day a second is, 0 to 1.
fn of_day(second: f64) -> f64 {
    (second / 86_400.0).rem_euclid(1.0)
}

/// Returns the raw value between `low` and `high` with which a chip's arithmetic first reaches `target`; `value` rises with it.
fn raw(low: i32, high: i32, target: i64, value: impl Fn(i32) -> i64) -> i32 {
    let (mut low, mut high) = (low, high);
    while low < high {
        let middle = low + (high - low) / 2;
        if value(middle) >= target { high = middle } else { low = middle + 1 }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_world() {
        for application in Application::ALL {
            let some = |seed| -> Vec<Vec<Vec<i32>>> {
                let kind = Kind { application, seed, quiet: false, quakes_s: None };
                let feeds = feeds(kind, 0).expect("feeds");
                feeds.into_iter().map(|feed| feed.take(500).collect()).collect()
            };
            assert_eq!(some(1), some(1));
            assert_ne!(some(1), some(2), "{application:?}");
            assert_eq!(some(1).len(), application.sensors().len());
        }
    }

    #[test]
    fn normal_numbers_have_variance_one() {
        let mut random = fastrand::Rng::with_seed(3);
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..100_000 {
            let value = normal(&mut random);
            (sum, squares) = (sum + value, squares + value * value);
        }
        assert!((sum / 1e5).abs() < 0.01 && (squares / 1e5 - 1.0).abs() < 0.02);
    }

    #[test]
    fn raw_values_are_found() {
        assert_eq!(raw(0, 1000, 500, |raw| i64::from(raw) * 3), 167);
        assert_eq!(raw(-1000, 1000, -500, i64::from), -500);
    }
}
