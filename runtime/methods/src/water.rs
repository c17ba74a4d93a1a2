//! Tsunamis and other sudden waves in a water level that a tide moves.
//!
//! H. O. Mofjeld, "Tsunami detection algorithm" (NOAA Pacific Marine Environmental Laboratory, the DART stations): averages
//! over ten minutes, an hour apart, predict the next reading by the cubic polynomial through them, and what the reading
//! differs by is the signal. With 315 s from the middle of the newest average to the reading the polynomial's weights are
//! the published ones, 1.16818457031250, −0.28197558593750, 0.14689746093750, −0.03310644531250.
//!
//! Readings may be missing. An average of at least half its readings counts, at the mean of their times; without one of the
//! three older averages the polynomial is a parabola. A reading is not judged while there is less.
//!
//! # Arithmetic
//!
//! Averages relative to the newest are taken in 1/256 µm, and the polynomial is evaluated by Neville's scheme in `i64`:
//! five divisions, each rounded to the nearest. Together with the averages' own rounding the residual is within 1 µm of the
//! real number. Averages more than 16.7 m from the newest count as 16.7 m.

use crate::error::{ParameterError, within};
use crate::series::{Plausible, Series};

/// Span of an average.
const AVERAGE_S: u16 = 600;
/// From one average to the next.
const APART_S: u16 = 3600;
/// Averages at full order.
const AVERAGES: usize = 4;
/// Fewest averages that predict: a parabola.
const FEWEST_AVERAGES: usize = 3;
/// Fraction bits of a µm.
const FRACTION_BITS: u32 = 8;
/// Largest difference of averages, in 1/256 µm: 16.7 m.
const LARGEST: i64 = 1 << (24 + FRACTION_BITS);

/// Parameters of the detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaterLevel {
    /// Time between readings, s: 1 to 120, a divisor of 600.
    pub interval_s: u16,
    /// From the middle of the newest average (when none of it is missing) to the reading that is predicted, s: 300 to 420.
    pub lead_s: u16,
    /// Readings below this are the sensor's error, mm …
    pub lowest_mm: i32,
    /// … and above this.
    pub highest_mm: i32,
    /// A single reading that stands out from both neighbours by more than this is dropped from the averages, mm.
    /// What stays below moves an average by a tenth of it.
    pub spike_mm: u32,
    /// A reading that repeats this often is a sensor that hangs; 0 where the water may really be that still.
    pub stuck_samples: u16,
    /// Residual of one step of the score, mm; at least 1.
    pub mm_per_score: u16,
}

impl WaterLevel {
    /// As the DART stations: every 15 s, with the published weights.
    pub const DEEP_OCEAN: Self = Self {
        interval_s: 15,
        lead_s: 315,
        lowest_mm: -10_000_000,
        highest_mm: 10_000_000,
        spike_mm: 150,
        stuck_samples: 120,
        mm_per_score: 1,
    };
    /// A gauge on a coast, once per minute, ±20 m.
    pub const COAST: Self = Self {
        interval_s: 60,
        lead_s: 330,
        lowest_mm: -20_000,
        highest_mm: 20_000,
        spike_mm: 150,
        stuck_samples: 60,
        mm_per_score: 1,
    };

    /// Returns the readings that a detector must hold: the newest, and back to the start of the oldest average.
    pub const fn slots(&self) -> usize {
        let interval = if self.interval_s == 0 { 1 } else { self.interval_s };
        1 + (APART_S as usize * (AVERAGES - 1) + AVERAGE_S as usize) / interval as usize
    }

    fn average_samples(&self) -> usize {
        usize::from(AVERAGE_S / self.interval_s)
    }

    fn validate(&self, slots: usize) -> Result<(), ParameterError> {
        within("interval_s", self.interval_s, 1, 120)?;
        within("interval_s: remainder of 600 s", AVERAGE_S % self.interval_s, 0, 0)?;
        within("slots of the detector", slots as i64, self.slots() as i64, i64::MAX)?;
        within("lead_s", self.lead_s, 300, 420)?;
        within("lowest_mm", self.lowest_mm, -1_000_000_000, self.highest_mm)?;
        within("highest_mm", self.highest_mm, self.lowest_mm, 1_000_000_000)?;
        within("mm_per_score", self.mm_per_score, 1, u16::MAX)
    }
}

/// What a reading differs by from its prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Residual {
    /// Reading less prediction, µm.
    pub um: i64,
    /// Averages behind the prediction, 3 or 4.
    pub averages: u8,
}

/// The detector; `N` is at least [`WaterLevel::slots`], 191 for a reading per minute, 761 for one each 15 s.
#[derive(Clone, Debug)]
pub struct Mofjeld<const N: usize> {
    parameters: WaterLevel,
    series: Series<N>,
}

/// An average: its distance before the predicted reading in ms, and its value.
#[derive(Clone, Copy)]
struct Point {
    before_ms: i64,
    value: i64,
}

/// `numerator / denominator` to the nearest, halves away from zero; a positive denominator.
fn divide(numerator: i64, denominator: i64) -> i64 {
    let half = denominator / 2;
    (if numerator < 0 { numerator - half } else { numerator + half }) / denominator
}

impl<const N: usize> Mofjeld<N> {
    /// Returns a detector without readings.
    ///
    /// # Errors
    ///
    /// The first parameter out of range, `N` among them.
    pub fn new(parameters: WaterLevel) -> Result<Self, ParameterError> {
        parameters.validate(N)?;
        let WaterLevel { lowest_mm: least, highest_mm: most, spike_mm: spike, stuck_samples: stuck, .. } = parameters;
        let interval_us = u64::from(parameters.interval_s) * 1_000_000;
        Ok(Self { parameters, series: Series::new(interval_us, Plausible { least, most, spike, stuck }) })
    }

    /// Returns the parameters.
    pub fn parameters(&self) -> &WaterLevel {
        &self.parameters
    }

    /// Takes a reading of `time_us` in mm, or `None` where the sensor gave none; returns how far it is from its prediction.
    ///
    /// `None` while the averages do not suffice, or the reading is not plausible. A time that goes back starts over; a clock
    /// that is set forward looks like a gap, so call [`restart`](Self::restart) where it is set while readings go on.
    pub fn push(&mut self, time_us: u64, level_mm: Option<i32>) -> Option<Residual> {
        if !self.series.push(time_us, level_mm, 0) {
            return None;
        }
        let level_um = i64::from(self.series.value(0)?) * 1000;
        let newest = self.average(0)?;
        let mut points = [newest; AVERAGES];
        let mut count = 0;
        for number in 0..AVERAGES {
            if let (Some(average), Some(point)) = (self.average(number), points.get_mut(count)) {
                let value = (average.value - newest.value).clamp(-LARGEST, LARGEST);
                *point = Point { before_ms: average.before_ms, value };
                count += 1;
            }
        }
        let points = points.get_mut(..count).filter(|_| count >= FEWEST_AVERAGES)?;
        let predicted = extrapolate(points)? + newest.value;
        let um = divide((level_um << FRACTION_BITS) - predicted, 1 << FRACTION_BITS);
        Some(Residual { um, averages: count as u8 })
    }

    /// Forgets all readings: the clock was set, or the sensor was moved.
    pub fn restart(&mut self) {
        self.series.clear();
    }

    /// Average `number`, 0 the newest; `None` with less than half its readings. The reading at lag 0 is not part of it.
    fn average(&self, number: usize) -> Option<Point> {
        let samples = self.parameters.average_samples();
        let first = 1 + number * usize::from(APART_S / self.parameters.interval_s);
        let (mut sum, mut lags, mut count) = (0i64, 0i64, 0i64);
        for lag in first..first + samples {
            if let Some(value) = self.series.value(lag) {
                sum += i64::from(value);
                lags += (lag - first) as i64;
                count += 1;
            }
        }
        if 2 * count < samples as i64 || count == 0 {
            return None;
        }
        // Mean lag less that of a complete average, which lies `lead_s` (and hours) before the reading.
        let interval_ms = i64::from(self.parameters.interval_s) * 1000;
        let moved_ms = divide(interval_ms * (2 * lags - count * (samples as i64 - 1)), 2 * count);
        let before_ms = i64::from(self.parameters.lead_s) * 1000 + number as i64 * i64::from(APART_S) * 1000 + moved_ms;
        Some(Point { before_ms, value: divide(sum * (1000 << FRACTION_BITS), count) })
    }
}

/// The polynomial through `points` at distance 0 (Neville's scheme); distances rise strictly.
///
/// Distances stay below 2²⁴ ms and values, extrapolated by at most twice their spread per order, below 2³⁸: a
/// product is below 2⁶².
fn extrapolate(points: &mut [Point]) -> Option<i64> {
    let distances: [i64; AVERAGES] = core::array::from_fn(|at| points.get(at).map_or(0, |point| point.before_ms));
    for order in 1..points.len() {
        for at in 0..points.len() - order {
            let (near, far) = (*distances.get(at)?, *distances.get(at + order)?);
            let next = points.get(at + 1)?.value;
            let point = points.get_mut(at)?;
            point.value = divide(far * point.value - near * next, far - near);
        }
    }
    points.first().map(|point| point.value)
}

/// Returns the size of `residual` as a score: `mm_per_score` mm per step, at most `i8::MAX`. Whether the water rises or falls
/// does not matter: a tsunami may begin with either.
pub fn score(residual: Residual, parameters: &WaterLevel) -> i8 {
    let step_um = u64::from(parameters.mm_per_score.max(1)) * 1000;
    i8::try_from(residual.um.unsigned_abs() / step_um).unwrap_or(i8::MAX)
}
