//! Falling air pressure: the sign of a storm that a station can see by itself.
//!
//! The fall over three hours is what weather services report as the tendency; the UK Met Office's marine forecasts call
//! more than 6.0 hPa in three hours "falling very rapidly" (3.6 to 6.0 "quickly"). The fall over one hour is for a storm
//! that comes faster; no service publishes a threshold for it, so the default, 3 hPa, is half of the three hours' fall.
//!
//! The sun moves the pressure, too, in the tropics by up to 2 hPa in three hours: [`Tide`] takes that away where the
//! node knows the time.

use libm::{cos, pow, sin};

use crate::error::{ParameterError, within};
use crate::series::{Plausible, Series};

/// Score at a threshold: [`Tendency::push`].
pub const THRESHOLD_SCORE: i8 = 64;

/// Seconds of an hour.
const HOUR_S: u16 = 3600;

/// Where a station lies, for the solar tides of the air.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tide {
    /// Thousandths of a degree, north positive: ±90,000.
    pub latitude_mdeg: i32,
    /// Thousandths of a degree, east positive: ±180,000.
    pub longitude_mdeg: i32,
}

impl Tide {
    /// Returns what the sun's tides add to the pressure at `utc_us`, microseconds since the Unix epoch, in Pa.
    ///
    /// The global means of the diurnal and the semidiurnal tide, `59.3·cos³φ·sin(t + 12°)` and
    /// `116·cos³φ·sin(2t + 158°)` Pa, with the local mean time t as an angle (B. Haurwitz, 1956 and 1965, in S. Chapman
    /// and R. S. Lindzen, "Atmospheric tides", 1970). The season and the continents change them by some tenths.
    pub fn pa(&self, utc_us: u64) -> i32 {
        const DAY_US: u64 = 86_400_000_000;
        let turn = core::f64::consts::TAU;
        let day = (utc_us % DAY_US) as f64 / DAY_US as f64 + f64::from(self.longitude_mdeg) / 360_000.0;
        let t = day * turn;
        let size = pow(cos(f64::from(self.latitude_mdeg) * turn / 360_000.0), 3.0);
        let tide = size * (59.3 * sin(t + 12.0 / 360.0 * turn) + 116.0 * sin(2.0 * t + 158.0 / 360.0 * turn));
        libm::round(tide) as i32
    }
}

/// Parameters of the method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pressure {
    /// Time between readings, s: 60 to 3600, a divisor of 3600.
    pub interval_s: u16,
    /// A fall over three hours that counts, Pa.
    pub fall_3h_pa: u16,
    /// A fall over one hour that counts, Pa.
    pub fall_1h_pa: u16,
    /// Longest hole that is bridged by a straight line where an earlier reading is wanted, s; at most an hour.
    pub bridge_s: u16,
    /// A single reading that stands out from both neighbours by more than this is dropped, Pa.
    pub spike_pa: u32,
    /// A reading that repeats this often is a sensor that hangs; 0 where readings are too coarse to tell.
    pub stuck_samples: u16,
    /// Where the station lies; `None` leaves the tides in.
    pub tide: Option<Tide>,
}

impl Pressure {
    /// Every ten minutes: 6 hPa in three hours, or 3 hPa in one. Place unknown.
    pub const CYCLONE: Self = Self {
        interval_s: 600,
        fall_3h_pa: 600,
        fall_1h_pa: 300,
        bridge_s: 1800,
        spike_pa: 300,
        stuck_samples: 36,
        tide: None,
    };

    /// Returns the readings that the method must hold: three hours, and what is bridged before.
    pub const fn slots(&self) -> usize {
        let interval = if self.interval_s == 0 { 1 } else { self.interval_s };
        1 + (3 * HOUR_S as usize + self.bridge_s as usize) / interval as usize
    }

    fn validate(&self, slots: usize) -> Result<(), ParameterError> {
        within("interval_s", self.interval_s, 60, HOUR_S)?;
        within("interval_s: remainder of 3600 s", HOUR_S % self.interval_s, 0, 0)?;
        within("bridge_s", self.bridge_s, 0, HOUR_S)?;
        within("slots of the method", slots as i64, self.slots() as i64, i64::MAX)?;
        within("fall_3h_pa", self.fall_3h_pa, 1, u16::MAX)?;
        within("fall_1h_pa", self.fall_1h_pa, 1, u16::MAX)?;
        if let Some(Tide { latitude_mdeg, longitude_mdeg }) = self.tide {
            within("tide.latitude_mdeg", latitude_mdeg, -90_000, 90_000)?;
            within("tide.longitude_mdeg", longitude_mdeg, -180_000, 180_000)?;
        }
        Ok(())
    }
}

/// How far the pressure fell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Falls {
    /// Over three hours, Pa; negative where it rose. `None`: no reading then.
    pub three_hours_pa: Option<i32>,
    /// Over one hour, Pa.
    pub one_hour_pa: Option<i32>,
    /// The greater of the falls in parts of its threshold, [`THRESHOLD_SCORE`] at the threshold, saturated.
    pub score: i8,
}

/// The state machine; `N` is at least [`Pressure::slots`], 22 for a reading every ten minutes.
#[derive(Clone, Debug)]
pub struct Tendency<const N: usize> {
    parameters: Pressure,
    series: Series<N>,
    without_tide: bool,
}

impl<const N: usize> Tendency<N> {
    /// Returns a method without readings.
    ///
    /// # Errors
    ///
    /// The first parameter out of range, `N` among them.
    pub fn new(parameters: Pressure) -> Result<Self, ParameterError> {
        parameters.validate(N)?;
        // The lowest and highest pressures at sea level are 870 and 1085 hPa; 300 hPa is the top of Mount Everest.
        let plausible = Plausible {
            least: 30_000,
            most: 110_000,
            spike: parameters.spike_pa,
            // The tide moves what is stored, so a sensor that hangs is looked for before it is taken away.
            stuck: parameters.stuck_samples,
        };
        let series = Series::new(u64::from(parameters.interval_s) * 1_000_000, plausible);
        Ok(Self { parameters, series, without_tide: false })
    }

    /// Returns the parameters.
    pub fn parameters(&self) -> &Pressure {
        &self.parameters
    }

    /// Takes a reading of `time_us` in Pa, or `None` where the sensor gave none; `utc_us` is the time since the Unix epoch,
    /// `None` while the clock is not set. Returns how far the pressure fell, `None` where it cannot be told.
    ///
    /// Where the tide begins or ceases to be known, the method starts over: what it holds is no longer comparable.
    pub fn push(&mut self, time_us: u64, pressure_pa: Option<i32>, utc_us: Option<u64>) -> Option<Falls> {
        let tide_pa = self.parameters.tide.zip(utc_us).map(|(tide, utc_us)| tide.pa(utc_us));
        if tide_pa.is_some() != self.without_tide {
            self.series.clear();
            self.without_tide = tide_pa.is_some();
        }
        if !self.series.push(time_us, pressure_pa, tide_pa.unwrap_or(0)) {
            return None;
        }
        let now = self.series.value(0)?;
        let fall = |hours| self.at(hours * usize::from(HOUR_S / self.parameters.interval_s)).map(|then| then - now);
        let (three_hours_pa, one_hour_pa) = (fall(3), fall(1));
        let part = |fall: Option<i32>, threshold: u16| {
            fall.map(|fall| (i64::from(fall) * i64::from(THRESHOLD_SCORE)).div_euclid(i64::from(threshold.max(1))))
        };
        let part =
            part(three_hours_pa, self.parameters.fall_3h_pa).max(part(one_hour_pa, self.parameters.fall_1h_pa))?;
        let score = part.clamp(i8::MIN.into(), i8::MAX.into()) as i8;
        Some(Falls { three_hours_pa, one_hour_pa, score })
    }

    /// Forgets all readings: the sensor was moved.
    pub fn restart(&mut self) {
        self.series.clear();
    }

    /// The pressure `lag` readings ago, on the line between its neighbours where it is missing.
    fn at(&self, lag: usize) -> Option<i32> {
        if let Some(value) = self.series.value(lag) {
            return Some(value);
        }
        let most = usize::from(self.parameters.bridge_s / self.parameters.interval_s);
        let later = (1..=most.min(lag)).find_map(|step| Some((step, self.series.value(lag - step)?)))?;
        let earlier = (1..=most).find_map(|step| Some((step, self.series.value(lag + step)?)))?;
        if later.0 + earlier.0 > most + 1 {
            return None;
        }
        let (to_later, to_earlier) = (later.0 as i32, earlier.0 as i32);
        let span = to_later + to_earlier;
        // At most 110,000 Pa times 60.
        Some((2 * (later.1 * to_earlier + earlier.1 * to_later) + span).div_euclid(2 * span))
    }
}
