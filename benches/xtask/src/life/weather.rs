//! Sun, clouds and temperature of a place, hour by hour, the same for the same seed.

use std::f64::consts::TAU;

use tanbo_methods::fao56::extraterrestrial_between;

/// A place.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// North positive.
    pub latitude_deg: f64,
    /// Mean share of the sun's radiation that reaches the ground.
    pub clearness: f64,
    /// Mean temperature.
    pub celsius: f64,
    /// Half of the mean difference of the warmest and the coldest month.
    pub yearly_celsius: f64,
    /// Half of the mean difference of day and night.
    pub daily_celsius: f64,
}

/// Weather of an hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hour {
    /// Temperature.
    pub celsius: f64,
    /// Radiation on a level surface, W/m².
    pub watts_per_m2: f64,
}

/// The weather, hour by hour from 1 January.
pub struct Weather {
    place: Place,
    random: fastrand::Rng,
    /// How far the day is from its mean, in standard deviations.
    day_state: f64,
    hour: u64,
}

/// Correlation of a day's clearness with that of the day before, of the transformed variable of V. A. Graham, K. G. T. Hollands
/// and T. E. Unny, "A time series model for Kt", Solar Energy 40, 1988.
const DAY_TO_DAY: f64 = 0.29;
/// Standard deviation of a day's clearness, after the spread of measured days at a mean of 0.5.
const CLEARNESS_DEVIATION: f64 = 0.18;

impl Weather {
    /// Returns the weather of a place.
    pub fn new(place: Place, seed: u64) -> Self {
        Self { place, random: fastrand::Rng::with_seed(seed), day_state: 0.0, hour: 0 }
    }
}

impl Iterator for Weather {
    type Item = Hour;

    fn next(&mut self) -> Option<Hour> {
        let (day, hour) = (self.hour / 24, self.hour % 24);
        self.hour += 1;
        if hour == 0 {
            // Twelve even numbers less six are nearly normal.
            let shock: f64 = (0..12).map(|_| self.random.f64()).sum::<f64>() - 6.0;
            self.day_state = DAY_TO_DAY * self.day_state + libm::sqrt(1.0 - DAY_TO_DAY * DAY_TO_DAY) * shock;
        }
        let Place { latitude_deg, clearness, celsius, yearly_celsius, daily_celsius } = self.place;
        let clearness = (clearness + CLEARNESS_DEVIATION * self.day_state).clamp(0.05, 0.8);
        let day_of_year = (day % 365) as u16 + 1;
        let from = hour as f64;
        let megajoule = extraterrestrial_between(latitude_deg, day_of_year, from, from + 1.0);
        // Coldest in the middle of January in the north, of July in the south, and at four in the morning.
        let winter = if latitude_deg < 0.0 { 197.0 } else { 15.0 };
        let year = libm::cos(TAU * (f64::from(day_of_year) - winter) / 365.0);
        let night = libm::cos(TAU * (from - 4.0) / 24.0);
        Some(Hour {
            celsius: celsius - yearly_celsius * year - daily_celsius * night,
            watts_per_m2: clearness * megajoule * 1e6 / 3600.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKYO: Place =
        Place { latitude_deg: 35.7, clearness: 0.45, celsius: 16.0, yearly_celsius: 11.0, daily_celsius: 4.0 };

    #[test]
    fn the_year_has_its_sun_and_its_seed() {
        let year: Vec<Hour> = Weather::new(TOKYO, 1).take(8760).collect();
        assert_eq!(year, Weather::new(TOKYO, 1).take(8760).collect::<Vec<_>>());
        assert_ne!(year, Weather::new(TOKYO, 2).take(8760).collect::<Vec<_>>());
        let kwh = |hours: &[Hour]| hours.iter().map(|hour| hour.watts_per_m2).sum::<f64>() / 1000.0;
        // Tokyo gets about 1,300 to 1,400 kWh/m² in a year.
        assert!((1200.0..1500.0).contains(&kwh(&year)), "{}", kwh(&year));
        assert!(kwh(&year[24 * 150..24 * 180]) > 1.5 * kwh(&year[..24 * 30]));
        assert!(
            year.iter()
                .enumerate()
                .all(|(hour, weather)| (4..20).contains(&(hour % 24)) || weather.watts_per_m2 == 0.0)
        );
        let mean = year.iter().map(|hour| hour.celsius).sum::<f64>() / 8760.0;
        assert!((mean - 16.0).abs() < 0.1);
        let south = Place { latitude_deg: -35.7, ..TOKYO };
        let mirrored: Vec<Hour> = Weather::new(south, 1).take(24).collect();
        assert!(mirrored[12].celsius > year[12].celsius + 15.0);
    }
}
