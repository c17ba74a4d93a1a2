//! What a sensor's readings become before anything else sees them.

/// Unit that a calibration is in, by what is measured. A number is never given a second meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Acceleration, m/s².
    MetrePerSecondSquared = 0,
    /// Pressure, Pa.
    Pascal = 1,
    /// Temperature, °C.
    Celsius = 2,
    /// Level, m.
    Metre = 3,
    /// Relative humidity, 1 = saturated.
    Saturation = 4,
    /// Rain, m.
    MetreOfRain = 5,
    /// Speed, m/s.
    MetrePerSecond = 6,
    /// Direction, °.
    Degree = 7,
    /// Soil moisture, m³/m³.
    Volumetric = 8,
    /// Voltage, V.
    Volt = 9,
}

impl Unit {
    /// All units, each at its number.
    pub const ALL: [Self; 10] = [
        Self::MetrePerSecondSquared,
        Self::Pascal,
        Self::Celsius,
        Self::Metre,
        Self::Saturation,
        Self::MetreOfRain,
        Self::MetrePerSecond,
        Self::Degree,
        Self::Volumetric,
        Self::Volt,
    ];
}

/// Calibration of one channel of one sensor: `calibrated = (reading - zero) * gain_ppm / 1,000,000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calibration {
    /// The sensor, in the order of the application: of a seismic node 0 is the accelerometer, 1 what watches for motion.
    pub sensor: u8,
    /// Its channel, from 0: of an accelerometer x, y, z.
    pub channel: u8,
    /// Unit of `zero` …
    pub unit: Unit,
    /// … times 10 to this: −5 of m/s² for mGal.
    pub exponent: i8,
    /// What the sensor reads where there is nothing to read, in that unit.
    pub zero: i32,
    /// What a reading is multiplied by, parts per million.
    pub gain_ppm: u32,
}

/// Parts of 1.
const MILLION: i64 = 1_000_000;

impl Calibration {
    /// Length in flash, bytes.
    pub(crate) const BYTES: usize = 12;
    /// In place of the sensor's number, where there is none.
    const NONE: u8 = 0xff;

    /// Returns a calibrated reading, rounded half away from zero, saturated; `zero` is in the reading's own unit.
    pub fn apply(&self, reading: i32, zero: i32) -> i32 {
        // What saturates here does so below too.
        let product = (i64::from(reading) - i64::from(zero)).saturating_mul(self.gain_ppm.into());
        let rounded = product.saturating_add(MILLION / 2 * product.signum()) / MILLION;
        rounded.clamp(i32::MIN.into(), i32::MAX.into()) as i32
    }

    pub(crate) fn to_bytes(this: Option<&Self>) -> [u8; Self::BYTES] {
        let Some(this) = this else { return [Self::NONE; Self::BYTES] };
        let [exponent] = this.exponent.to_le_bytes();
        let [a, b, c, d] = this.zero.to_le_bytes();
        let [e, f, g, h] = this.gain_ppm.to_le_bytes();
        [this.sensor, this.channel, this.unit as u8, exponent, a, b, c, d, e, f, g, h]
    }

    /// The outer `None` where a field has no such value.
    pub(crate) fn from_bytes(bytes: &[u8; Self::BYTES]) -> Option<Option<Self>> {
        let [sensor, channel, unit, exponent, a, b, c, d, e, f, g, h] = *bytes;
        if sensor == Self::NONE {
            return Some(None);
        }
        Some(Some(Self {
            sensor,
            channel,
            unit: *Unit::ALL.get(usize::from(unit))?,
            exponent: i8::from_le_bytes([exponent]),
            zero: i32::from_le_bytes([a, b, c, d]),
            gain_ppm: u32::from_le_bytes([e, f, g, h]),
        }))
    }
}

/// Calibrations of a node's sensors. A channel that is not among them is taken as it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Calibrations(pub [Option<Calibration>; Self::MOST]);

impl Calibrations {
    /// Most channels that can be calibrated.
    pub const MOST: usize = 8;
    /// Every sensor is taken as it reads.
    pub const NONE: Self = Self([None; Self::MOST]);

    /// Returns those of a sensor.
    pub fn of(&self, sensor: u8) -> impl Iterator<Item = &Calibration> {
        self.0.iter().flatten().filter(move |calibration| calibration.sensor == sensor)
    }
}

#[cfg(test)]
mod tests {
    use super::{Calibration, Unit};

    fn calibration(gain_ppm: u32) -> Calibration {
        Calibration { sensor: 0, channel: 2, unit: Unit::Metre, exponent: -3, zero: -7, gain_ppm }
    }

    #[test]
    fn readings_are_calibrated_exactly_and_saturate() {
        let twice = calibration(2_000_000);
        assert_eq!([twice.apply(5, -7), twice.apply(-8, -7), twice.apply(3, 3)], [24, -2, 0]);
        let third = calibration(333_333);
        // 0.333333, 0.999999 and 1.499999 of 1, 3 and 4.5: halves go away from zero.
        assert_eq!([third.apply(1, 0), third.apply(3, 0), third.apply(-3, 0)], [0, 1, -1]);
        let half = calibration(500_000);
        assert_eq!([half.apply(1, 0), half.apply(-1, 0), half.apply(-3, 0)], [1, -1, -2]);
        let most = calibration(u32::MAX);
        assert_eq!([most.apply(i32::MIN, i32::MAX), most.apply(i32::MAX, i32::MIN)], [i32::MIN, i32::MAX]);
        assert_eq!(calibration(1_000_000).apply(i32::MIN, 0), i32::MIN);
    }

    #[test]
    fn units_stand_at_their_numbers() {
        assert!(Unit::ALL.iter().enumerate().all(|(number, unit)| *unit as usize == number));
        let bytes = Calibration::to_bytes(Some(&calibration(1)));
        assert_eq!(Calibration::from_bytes(&bytes), Some(Some(calibration(1))));
        let mut unknown = bytes;
        unknown[2] = 10;
        assert_eq!(Calibration::from_bytes(&unknown), None);
    }
}
