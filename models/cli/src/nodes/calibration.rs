//! Calibrations as people write them: TOML, with names of units.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tanbo_flash_map::{Calibration, Calibrations, Unit};

use crate::error::CliError;
use crate::files;

/// Largest file.
const LIMIT: u64 = 1 << 16;

/// Units by name: what is measured, and by which power of ten.
const UNITS: [(&str, Unit, i8); 21] = [
    ("mGal", Unit::MetrePerSecondSquared, -5),
    ("gal", Unit::MetrePerSecondSquared, -2),
    ("m/s2", Unit::MetrePerSecondSquared, 0),
    ("Pa", Unit::Pascal, 0),
    ("cPa", Unit::Pascal, -2),
    ("hPa", Unit::Pascal, 2),
    ("mbar", Unit::Pascal, 2),
    ("°C", Unit::Celsius, 0),
    ("m°C", Unit::Celsius, -3),
    ("m", Unit::Metre, 0),
    ("cm", Unit::Metre, -2),
    ("mm", Unit::Metre, -3),
    ("%RH", Unit::Saturation, -2),
    ("mm rain", Unit::MetreOfRain, -3),
    ("µm rain", Unit::MetreOfRain, -6),
    ("m/s", Unit::MetrePerSecond, 0),
    ("mm/s", Unit::MetrePerSecond, -3),
    ("°", Unit::Degree, 0),
    ("%vol", Unit::Volumetric, -2),
    ("V", Unit::Volt, 0),
    ("mV", Unit::Volt, -3),
];

/// Gains that a calibration may have, ppm: beyond them something else is wrong.
const GAINS_PPM: std::ops::RangeInclusive<u32> = 100_000..=10_000_000;

/// One channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// The sensor, in the order of the application.
    pub sensor: u8,
    /// Its channel, from 0: of an accelerometer x, y, z.
    pub channel: u8,
    /// Name of the unit that `zero` is in.
    pub unit: String,
    /// What it reads where there is nothing to read.
    pub zero: i32,
    /// What a reading is multiplied by, parts per million.
    pub gain_ppm: u32,
}

/// A file of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    calibration: Vec<Channel>,
}

/// Returns what a file says.
///
/// # Errors
/// A file that cannot be read, or says what is none.
pub fn read(path: &Path) -> Result<Vec<Channel>, CliError> {
    let remedy = "tables [[calibration]] with sensor, channel, unit, zero and gain_ppm are wanted";
    let wrong = |reason: &dyn std::fmt::Display| CliError::new(path.display(), reason, remedy);
    let text = String::from_utf8(files::read(path, LIMIT)?).map_err(|_| wrong(&"not a text"))?;
    let file: File = toml::from_str(&text).map_err(|error| wrong(&error.to_string().trim_end()))?;
    of(&file.calibration, &path.display().to_string())?;
    Ok(file.calibration)
}

/// Returns calibrations for a page.
///
/// # Errors
/// Too many, two of one channel, a unit or a gain that is none; `place` says where.
pub fn of(channels: &[Channel], place: &str) -> Result<Calibrations, CliError> {
    let wrong = |reason: String, remedy: String| CliError::new(place, reason, remedy);
    let mut calibrations = Calibrations::NONE;
    if channels.len() > Calibrations::MOST {
        let reason = format!("{} channels; a node has room for {}", channels.len(), Calibrations::MOST);
        return Err(wrong(reason, "leave out those that are right as they are".into()));
    }
    for (number, (channel, to)) in channels.iter().zip(&mut calibrations.0).enumerate() {
        let Channel { sensor, channel: axis, unit, zero, gain_ppm } = channel;
        if channels.iter().take(number).any(|other| (other.sensor, other.channel) == (*sensor, *axis)) {
            let remedy = "one [[calibration]] per channel";
            return Err(wrong(format!("sensor {sensor} channel {axis} comes twice"), remedy.into()));
        }
        let Some((_, unit, exponent)) = UNITS.iter().find(|(name, ..)| name == unit) else {
            let names = UNITS.map(|(name, ..)| name).join(", ");
            return Err(wrong(format!("no unit '{unit}'"), format!("there are {names}")));
        };
        if !GAINS_PPM.contains(gain_ppm) {
            let remedy = format!("{} to {} ppm are taken; 1000000 is as it reads", GAINS_PPM.start(), GAINS_PPM.end());
            return Err(wrong(format!("gain_ppm = {gain_ppm} of sensor {sensor} channel {axis}"), remedy));
        }
        *to = Some(Calibration {
            sensor: *sensor,
            channel: *axis,
            unit: *unit,
            exponent: *exponent,
            zero: *zero,
            gain_ppm: *gain_ppm,
        });
    }
    Ok(calibrations)
}
