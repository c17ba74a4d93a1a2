//! Reference evapotranspiration.
//!
//! R. G. Allen, L. S. Pereira, D. Raes, M. Smith, "Crop evapotranspiration", FAO Irrigation and Drainage Paper 56, 1998.
//! Equations are those of chapters 2 to 4, by their numbers there; the worked examples of these chapters are the tests.
//!
//! What a station does not measure is estimated as chapter 3 says: humidity from the minimum temperature, radiation from
//! the range of temperatures, wind as 2 m/s. With temperatures alone, Hargreaves' equation stands in (equation 52).
//!
//! # Units
//!
//! Temperatures in °C, vapour pressures in kPa, radiation in MJ per m² and day, wind in m/s, results in mm per day.

use core::f64::consts::{PI, TAU};
use core::fmt;

use libm::{acos, cos, exp, log, pow, sin, sqrt, tan};

/// Solar constant, MJ per m² and minute.
const SOLAR: f64 = 0.0820;
/// Stefan and Boltzmann's constant, MJ per K⁴, m² and day.
const STEFAN_BOLTZMANN: f64 = 4.903e-9;
/// Reflected by the reference crop.
const ALBEDO: f64 = 0.23;
/// Angström's coefficients where none are calibrated.
const ANGSTROM: (f64, f64) = (0.25, 0.50);
/// Wind where it is not measured, m/s: the mean of many stations.
const USUAL_WIND: f64 = 2.0;

/// Where a station stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Site {
    /// Latitude, degrees, north positive: ±90.
    pub latitude_deg: f64,
    /// Elevation, m: −500 to 6000.
    pub elevation_m: f64,
    /// Height of the anemometer above ground, m: 0.5 to 50.
    pub wind_height_m: f64,
    /// Whether a large body of water is near: where radiation is estimated from temperatures.
    pub coastal: bool,
}

/// What is known of a day's humidity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Humidity {
    /// Nothing.
    Unknown,
    /// Dew point, °C.
    DewPoint(f64),
    /// Least and greatest relative humidity, %.
    Range {
        /// The least.
        least: f64,
        /// The greatest.
        most: f64,
    },
    /// Mean relative humidity, %.
    Mean(f64),
}

/// What is known of a day's sun.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sun {
    /// Nothing.
    Unknown,
    /// Solar radiation, MJ per m² and day.
    Radiation(f64),
    /// Bright sunshine, hours.
    Hours(f64),
}

/// A day's weather.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Day {
    /// 1 to 366.
    pub day_of_year: u16,
    /// Least temperature of the air, °C.
    pub t_min: f64,
    /// Greatest temperature of the air, °C.
    pub t_max: f64,
    /// Humidity.
    pub humidity: Humidity,
    /// Sun.
    pub sun: Sun,
    /// Mean wind at the anemometer's height, m/s.
    pub wind: Option<f64>,
}

/// How a value was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Penman and Monteith's equation, some of its terms estimated perhaps.
    PenmanMonteith,
    /// Hargreaves' equation, from temperatures alone.
    Hargreaves,
}

/// Reference evapotranspiration of a day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reference {
    /// mm per day, at least 0.
    pub mm: f64,
    /// How it was found.
    pub method: Method,
}

/// A value outside its range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DayError {
    /// Its name.
    pub name: &'static str,
    /// The value.
    pub value: f64,
}

impl fmt::Display for DayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {} cannot be: check the sensor, or leave the day out", self.name, self.value)
    }
}

impl core::error::Error for DayError {}

impl Reference {
    /// Returns the value in µm per day, rounded: the unit of the uplink.
    pub fn um(&self) -> i32 {
        libm::round(self.mm * 1000.0) as i32
    }
}

fn within(name: &'static str, value: f64, least: f64, most: f64) -> Result<(), DayError> {
    // NaN is in no range.
    if (least..=most).contains(&value) { Ok(()) } else { Err(DayError { name, value }) }
}

/// Returns the pressure of the air at an elevation, kPa (equation 7).
pub fn atmospheric_pressure(elevation_m: f64) -> f64 {
    101.3 * pow((293.0 - 0.0065 * elevation_m) / 293.0, 5.26)
}

/// Returns the psychrometric constant, kPa/°C (equation 8), of a pressure in kPa.
pub fn psychrometric_constant(pressure: f64) -> f64 {
    0.665e-3 * pressure
}

/// Returns the saturation vapour pressure (equation 11).
pub fn saturation_pressure(t: f64) -> f64 {
    0.6108 * exp(17.27 * t / (t + 237.3))
}

/// Returns the slope of the saturation vapour pressure, kPa/°C (equation 13).
pub fn saturation_slope(t: f64) -> f64 {
    4098.0 * saturation_pressure(t) / pow(t + 237.3, 2.0)
}

/// Returns wind at 2 m from wind at another height (equation 47).
pub fn wind_at_2m(wind: f64, height_m: f64) -> f64 {
    wind * 4.87 / log(67.8 * height_m - 5.42)
}

/// The sun's declination, and the inverse relative distance (equations 24 and 23).
fn sun(day_of_year: u16) -> (f64, f64) {
    let angle = TAU / 365.0 * f64::from(day_of_year);
    (0.409 * sin(angle - 1.39), 1.0 + 0.033 * cos(angle))
}

/// Hour angle of the sunset (equation 25): 0 in the polar night, π in the polar day.
fn sunset(latitude: f64, declination: f64) -> f64 {
    acos((-tan(latitude) * tan(declination)).clamp(-1.0, 1.0))
}

fn radians(degrees: f64) -> f64 {
    degrees * PI / 180.0
}

/// Returns the extraterrestrial radiation of a day (equation 21).
pub fn extraterrestrial_radiation(latitude_deg: f64, day_of_year: u16) -> f64 {
    let latitude = radians(latitude_deg);
    let (declination, distance) = sun(day_of_year);
    let set = sunset(latitude, declination);
    let sine = sin(latitude) * sin(declination);
    let cosine = cos(latitude) * cos(declination);
    24.0 * 60.0 / PI * SOLAR * distance * (set * sine + cosine * sin(set))
}

/// Returns the extraterrestrial radiation from one solar hour (0 to 24, 12 is noon) to another, MJ per m² (equation 28).
pub fn extraterrestrial_between(latitude_deg: f64, day_of_year: u16, from_hour: f64, to_hour: f64) -> f64 {
    let latitude = radians(latitude_deg);
    let (declination, distance) = sun(day_of_year);
    let set = sunset(latitude, declination);
    let angle = |hour: f64| (PI / 12.0 * (hour - 12.0)).clamp(-set, set);
    let (from, to) = (angle(from_hour), angle(to_hour));
    let sine = sin(latitude) * sin(declination);
    let cosine = cos(latitude) * cos(declination);
    let radiation = 12.0 * 60.0 / PI * SOLAR * distance * ((to - from) * sine + cosine * (sin(to) - sin(from)));
    radiation.max(0.0)
}

/// Returns the hours of daylight (equation 34).
pub fn daylight_hours(latitude_deg: f64, day_of_year: u16) -> f64 {
    24.0 / PI * sunset(radians(latitude_deg), sun(day_of_year).0)
}

/// Returns solar radiation from hours of sunshine (equation 35).
pub fn radiation_of_sunshine(hours: f64, daylight: f64, extraterrestrial: f64) -> f64 {
    let share = if daylight > 0.0 { (hours / daylight).min(1.0) } else { 0.0 };
    (ANGSTROM.0 + ANGSTROM.1 * share) * extraterrestrial
}

/// Returns solar radiation from the range of temperatures (equation 50), at most that of a clear sky.
pub fn radiation_of_temperatures(site: &Site, t_min: f64, t_max: f64, extraterrestrial: f64) -> f64 {
    let adjustment = if site.coastal { 0.19 } else { 0.16 };
    (adjustment * sqrt(t_max - t_min) * extraterrestrial).min(clear_sky_radiation(site.elevation_m, extraterrestrial))
}

/// Returns solar radiation under a clear sky (equation 37).
pub fn clear_sky_radiation(elevation_m: f64, extraterrestrial: f64) -> f64 {
    (0.75 + 2e-5 * elevation_m) * extraterrestrial
}

/// Returns the net outgoing longwave radiation (equation 39), from vapour pressure and solar over clear-sky radiation.
pub fn net_longwave(t_min: f64, t_max: f64, vapour_pressure: f64, relative_radiation: f64) -> f64 {
    let fourth = |t: f64| pow(t + 273.16, 4.0);
    let emitted = STEFAN_BOLTZMANN * (fourth(t_max) + fourth(t_min)) / 2.0;
    emitted * (0.34 - 0.14 * sqrt(vapour_pressure)) * (1.35 * relative_radiation.clamp(0.0, 1.0) - 0.35)
}

/// What Penman and Monteith's equation takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// Mean temperature, °C.
    pub t: f64,
    /// Slope of the saturation vapour pressure, kPa/°C.
    pub slope: f64,
    /// Psychrometric constant, kPa/°C.
    pub psychrometric: f64,
    /// Net radiation less the heat that goes into the soil, MJ per m² and day.
    pub available: f64,
    /// Wind at 2 m, m/s.
    pub wind: f64,
    /// Saturation less actual vapour pressure, kPa.
    pub deficit: f64,
}

/// Returns Penman and Monteith's reference evapotranspiration (equation 6).
pub fn penman_monteith(terms: &Terms) -> f64 {
    let Terms { t, slope, psychrometric, available, wind, deficit } = *terms;
    (0.408 * slope * available + psychrometric * 900.0 / (t + 273.0) * wind * deficit)
        / (slope + psychrometric * (1.0 + 0.34 * wind))
}

/// Returns Hargreaves' reference evapotranspiration (equation 52, with the radiation in mm per day by equation 20).
pub fn hargreaves(t_min: f64, t_max: f64, extraterrestrial: f64) -> f64 {
    0.0023 * ((t_min + t_max) / 2.0 + 17.8) * sqrt(t_max - t_min) * 0.408 * extraterrestrial
}

/// Returns the actual vapour pressure of a day (equations 14, 17, 19, 48).
pub fn vapour_pressure(day: &Day) -> f64 {
    let (low, high) = (saturation_pressure(day.t_min), saturation_pressure(day.t_max));
    match day.humidity {
        Humidity::Unknown => low,
        Humidity::DewPoint(t) => saturation_pressure(t),
        Humidity::Range { least, most } => (low * most + high * least) / 200.0,
        Humidity::Mean(mean) => mean / 100.0 * (low + high) / 2.0,
    }
}

/// Returns the reference evapotranspiration of a day: Penman and Monteith's with what is missing estimated, Hargreaves' where
/// only temperatures are known. The heat that goes into the soil in a day is neglected (equation 42).
///
/// # Errors
///
/// The first value that cannot be.
pub fn reference(site: &Site, day: &Day) -> Result<Reference, DayError> {
    within("latitude_deg", site.latitude_deg, -90.0, 90.0)?;
    within("elevation_m", site.elevation_m, -500.0, 6000.0)?;
    within("wind_height_m", site.wind_height_m, 0.5, 50.0)?;
    within("day_of_year", day.day_of_year.into(), 1.0, 366.0)?;
    within("t_min", day.t_min, -50.0, 60.0)?;
    within("t_max", day.t_max, day.t_min, 60.0)?;
    match day.humidity {
        Humidity::Unknown => {}
        Humidity::DewPoint(t) => within("dew point", t, -60.0, day.t_max)?,
        Humidity::Range { least, most } => {
            within("least humidity", least, 0.0, most)?;
            within("greatest humidity", most, 0.0, 100.0)?;
        }
        Humidity::Mean(mean) => within("mean humidity", mean, 0.0, 100.0)?,
    }
    match day.sun {
        Sun::Unknown => {}
        Sun::Radiation(radiation) => within("radiation", radiation, 0.0, 50.0)?,
        Sun::Hours(hours) => within("hours of sunshine", hours, 0.0, 24.0)?,
    }
    if let Some(wind) = day.wind {
        within("wind", wind, 0.0, 100.0)?;
    }
    let extraterrestrial = extraterrestrial_radiation(site.latitude_deg, day.day_of_year);
    if day.humidity == Humidity::Unknown && day.sun == Sun::Unknown && day.wind.is_none() {
        let mm = hargreaves(day.t_min, day.t_max, extraterrestrial).max(0.0);
        return Ok(Reference { mm, method: Method::Hargreaves });
    }
    Ok(Reference { mm: sparse(site, day, extraterrestrial).max(0.0), method: Method::PenmanMonteith })
}

/// Penman and Monteith's equation with what is missing estimated.
fn sparse(site: &Site, day: &Day, extraterrestrial: f64) -> f64 {
    let Day { t_min, t_max, .. } = *day;
    let solar = match day.sun {
        Sun::Unknown => radiation_of_temperatures(site, t_min, t_max, extraterrestrial),
        Sun::Radiation(radiation) => radiation,
        Sun::Hours(hours) => {
            radiation_of_sunshine(hours, daylight_hours(site.latitude_deg, day.day_of_year), extraterrestrial)
        }
    };
    let clear = clear_sky_radiation(site.elevation_m, extraterrestrial);
    let actual = vapour_pressure(day);
    // In the polar night there is no clear-sky radiation to compare with: half a sky.
    let relative = if clear > 0.0 { solar / clear } else { 0.5 };
    let t = (t_min + t_max) / 2.0;
    penman_monteith(&Terms {
        t,
        slope: saturation_slope(t),
        psychrometric: psychrometric_constant(atmospheric_pressure(site.elevation_m)),
        available: (1.0 - ALBEDO) * solar - net_longwave(t_min, t_max, actual, relative),
        wind: day.wind.map_or(USUAL_WIND, |wind| wind_at_2m(wind, site.wind_height_m)),
        deficit: (saturation_pressure(t_min) + saturation_pressure(t_max)) / 2.0 - actual,
    })
}
