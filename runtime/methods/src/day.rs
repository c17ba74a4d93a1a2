//! A day's weather from readings.

use crate::fao56::{Day, Humidity, Sun};

/// A reading of the weather. What a station does not measure, or a sensor did not give, is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Temperature of the air, thousandths of a degree Celsius.
    pub temperature_mc: Option<i32>,
    /// Relative humidity, thousandths of a percent.
    pub humidity_mpct: Option<i32>,
    /// Wind, mm/s.
    pub wind_mm_s: Option<i32>,
    /// Solar radiation, mW/m².
    pub radiation_mw_m2: Option<i32>,
}

/// A mean over what came.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: i64,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: i32) {
        self.sum += i64::from(value);
        self.count += 1;
    }

    fn thousandths(&self) -> f64 {
        self.sum as f64 / f64::from(self.count.max(1)) / 1000.0
    }
}

/// Least and greatest of what came.
#[derive(Clone, Copy, Debug)]
struct Extremes {
    least: i32,
    most: i32,
}

fn widen(extremes: &mut Option<Extremes>, value: i32) {
    let Extremes { least, most } = extremes.get_or_insert(Extremes { least: value, most: value });
    *least = value.min(*least);
    *most = value.max(*most);
}

/// Gathers the readings of one day, at any times.
///
/// A day is only a day with readings all around the clock: the extremes of a temperature are missed otherwise, and a mean
/// of the mornings is none. So each of the 24 hours that has a reading of a quantity counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct DayWeather {
    temperature: Option<Extremes>,
    humidity: Option<Extremes>,
    wind: Mean,
    radiation: Mean,
    /// A bit per hour with a reading: temperature, humidity, wind, radiation.
    hours: [u32; 4],
}

/// Hours that a quantity must have been read in.
const FEWEST_HOURS: u32 = 20;

impl DayWeather {
    /// Takes a reading made in an hour of the day, 0 to 23; one in another hour, or of what cannot be, is dropped.
    pub fn push(&mut self, hour: u8, reading: &Reading) {
        if hour >= 24 {
            return;
        }
        let within = |value: Option<i32>, least: i32, most: i32| value.filter(|value| (least..=most).contains(value));
        let [temperature, humidity, wind, radiation] = &mut self.hours;
        if let Some(value) = within(reading.temperature_mc, -50_000, 60_000) {
            widen(&mut self.temperature, value);
            *temperature |= 1 << hour;
        }
        if let Some(value) = within(reading.humidity_mpct, 0, 100_000) {
            widen(&mut self.humidity, value);
            *humidity |= 1 << hour;
        }
        if let Some(value) = within(reading.wind_mm_s, 0, 100_000) {
            self.wind.add(value);
            *wind |= 1 << hour;
        }
        if let Some(value) = within(reading.radiation_mw_m2, 0, 1_500_000) {
            self.radiation.add(value);
            *radiation |= 1 << hour;
        }
    }

    /// Returns the day, for [`reference`](crate::fao56::reference): with a quantity left out that was read in fewer than 20
    /// hours; `None` if that is the temperature.
    pub fn day(&self, day_of_year: u16) -> Option<Day> {
        let [temperature, humidity, wind, radiation] = self.hours.map(|hours| hours.count_ones() >= FEWEST_HOURS);
        let degrees = self.temperature.filter(|_| temperature)?;
        let thousandths = |value: i32| f64::from(value) / 1000.0;
        Some(Day {
            day_of_year,
            t_min: thousandths(degrees.least),
            t_max: thousandths(degrees.most),
            humidity: match self.humidity.filter(|_| humidity) {
                None => Humidity::Unknown,
                Some(Extremes { least, most }) => {
                    Humidity::Range { least: thousandths(least), most: thousandths(most) }
                }
            },
            // W/m² over 86,400 s.
            sun: if radiation { Sun::Radiation(self.radiation.thousandths() * 0.0864) } else { Sun::Unknown },
            wind: wind.then(|| self.wind.thousandths()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fao56::{Method, Site, reference};

    const SITE: Site = Site { latitude_deg: 14.0, elevation_m: 20.0, wind_height_m: 2.0, coastal: false };

    fn reading(hour: u8) -> Reading {
        let sun = (6..18).contains(&hour);
        Reading {
            temperature_mc: Some(24_000 + 1000 * i32::from(12 - hour.abs_diff(14).min(12))),
            humidity_mpct: Some(60_000 + 2000 * i32::from(hour.abs_diff(14))),
            wind_mm_s: Some(if sun { 3000 } else { 1000 }),
            radiation_mw_m2: Some(if sun { 400_000 } else { 0 }),
        }
    }

    #[test]
    fn a_day_is_its_extremes_and_means() {
        let mut weather = DayWeather::default();
        (0..24).for_each(|hour| weather.push(hour, &reading(hour)));
        let day = weather.day(100).unwrap();
        let expected = Day {
            day_of_year: 100,
            t_min: 24.0,
            t_max: 36.0,
            humidity: Humidity::Range { least: 60.0, most: 88.0 },
            sun: Sun::Radiation(200.0 * 0.0864),
            wind: Some(2.0),
        };
        assert_eq!(day, expected);
        let found = reference(&SITE, &day).unwrap();
        assert_eq!(found.method, Method::PenmanMonteith);
        assert!((4.0..7.0).contains(&found.mm), "{found:?}");
    }

    #[test]
    fn gaps_leave_a_quantity_out_and_bad_readings_do_not_count() {
        let mut weather = DayWeather::default();
        for hour in 0..24 {
            let mut reading = reading(hour);
            // Five hours without humidity, wind that cannot be, a thermometer that says nonsense now and then.
            reading.humidity_mpct = reading.humidity_mpct.filter(|_| hour >= 5);
            reading.wind_mm_s = Some(-1);
            reading.radiation_mw_m2 = None;
            weather.push(hour, &reading);
            weather.push(hour, &Reading { temperature_mc: Some(85_000), ..Reading::default() });
        }
        weather.push(24, &Reading { temperature_mc: Some(59_000), ..Reading::default() });
        let day = weather.day(100).unwrap();
        assert_eq!((day.t_min, day.t_max), (24.0, 36.0));
        assert_eq!((day.humidity, day.sun, day.wind), (Humidity::Unknown, Sun::Unknown, None));
        assert_eq!(reference(&SITE, &day).unwrap().method, Method::Hargreaves);
        let mut half = DayWeather::default();
        (0..19).for_each(|hour| half.push(hour, &reading(hour)));
        assert_eq!(half.day(100), None);
    }
}
