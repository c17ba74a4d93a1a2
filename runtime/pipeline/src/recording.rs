//! A recording as text, read without floating point: every target feeds the same integers.
//!
//! ```text
//! t_s,x_gal,y_gal,z_gal
//! 0.000,0.0121,-0.0034,980.6651
//! 0.005,0.0119,-0.0031,980.6649
//! ```
//!
//! One line per sample, evenly spaced in time. Numbers are decimal, with or without an exponent, of at most 19 digits.
//! Times become microseconds, accelerations mGal, both rounded half away from zero.

use core::fmt;

use tanbo_signal::{AXES, Rate, Sample};

/// First line of a recording.
pub const HEADER: &str = "t_s,x_gal,y_gal,z_gal";

const COLUMNS: [&str; 1 + AXES] = ["t_s", "x_gal", "y_gal", "z_gal"];
/// Decimal places of a second in a microsecond, and of a gal in a milligal.
const TIME_PLACES: i32 = 6;
const SAMPLE_PLACES: i32 = 3;

/// A checked recording.
#[derive(Clone, Copy, Debug)]
pub struct Recording<'t> {
    text: &'t str,
    rate: Rate,
    samples: u64,
}

/// Why a recording cannot be used, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordingError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub kind: RecordingErrorKind,
}

/// What is wrong with a line of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingErrorKind {
    /// It is not UTF-8.
    NotText,
    /// The first line is not [`HEADER`].
    Header,
    /// It has this many columns.
    Columns(usize),
    /// This column is not a number, or one out of range.
    Number(&'static str),
    /// Its time is not after that of the line before.
    Order,
    /// Its time is half a period or more away from where an even rate, or the line before, puts it.
    Uneven,
    /// The text ends with fewer than two samples.
    TooShort,
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "recording, line {}: ", self.line)?;
        match self.kind {
            RecordingErrorKind::NotText => f.write_str("not UTF-8; save the file as plain text"),
            RecordingErrorKind::Header => write!(f, "the first line must be `{HEADER}`"),
            RecordingErrorKind::Columns(count) => write!(f, "{count} columns, but `{HEADER}` are {}", COLUMNS.len()),
            RecordingErrorKind::Number(column) => write!(
                f,
                "{column} is not a decimal number of at most 19 digits in range (times from 0, accelerations up to \
                 ±2,147,483 gal)"
            ),
            RecordingErrorKind::Order => f.write_str("its time is not after that of the line before; sort the samples"),
            RecordingErrorKind::Uneven => f.write_str(
                "its time is half a sample off an even rate; cut the recording at gaps, or resample it evenly",
            ),
            RecordingErrorKind::TooShort => f.write_str("the recording ends here; its rate takes at least two samples"),
        }
    }
}

impl core::error::Error for RecordingError {}

impl<'t> Recording<'t> {
    /// Returns the recording that `bytes` spell, with its rate.
    ///
    /// The rate is the simplest fraction that leads from the first time to the last with less than a quarter of a sample
    /// of error, so times may be rounded.
    ///
    /// # Errors
    ///
    /// The first line that is not a sample, or out of step.
    pub fn parse(bytes: &'t [u8]) -> Result<Self, RecordingError> {
        let text = core::str::from_utf8(bytes).map_err(|error| {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
            RecordingError { line, kind: RecordingErrorKind::NotText }
        })?;
        if text.lines().next().map(str::trim_end) != Some(HEADER) {
            return Err(RecordingError { line: 1, kind: RecordingErrorKind::Header });
        }
        let mut samples = 0u64;
        let mut span: Option<(u64, u64)> = None;
        let mut end = 1;
        for (line, result) in lines(text) {
            let (time_us, _) = result.map_err(|kind| RecordingError { line, kind })?;
            span = match span {
                Some((_, last)) if time_us <= last => {
                    return Err(RecordingError { line, kind: RecordingErrorKind::Order });
                }
                Some((first, _)) => Some((first, time_us)),
                None => Some((time_us, time_us)),
            };
            samples += 1;
            end = line;
        }
        let (first, last) = span.unwrap_or_default();
        if samples < 2 {
            return Err(RecordingError { line: end, kind: RecordingErrorKind::TooShort });
        }
        let rate = simplest_rate(samples - 1, last - first)
            .ok_or(RecordingError { line: end, kind: RecordingErrorKind::Uneven })?;
        // In units of 1 / numerator microseconds a period is the denominator · 1,000,000.
        let period = u128::from(rate.denominator) * 1_000_000;
        let half_off =
            |time_us: u64, nominal| 2 * (u128::from(time_us) * u128::from(rate.numerator)).abs_diff(nominal) >= period;
        let mut last = None;
        for (index, (line, result)) in (0..).zip(lines(text)) {
            let (time_us, _) = result.map_err(|kind| RecordingError { line, kind })?;
            if half_off(time_us - first, index * period) || last.is_some_and(|last| half_off(time_us - last, period)) {
                return Err(RecordingError { line, kind: RecordingErrorKind::Uneven });
            }
            last = Some(time_us);
        }
        Ok(Self { text, rate, samples })
    }

    /// Returns the rate of the samples.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Returns the number of samples, at least 2.
    pub fn sample_count(&self) -> u64 {
        self.samples
    }

    /// Returns time (microseconds) and value (mGal) of each sample, as [`Pipeline::push`](crate::Pipeline::push) takes
    /// them.
    pub fn samples(&self) -> impl Iterator<Item = (u64, Sample)> + use<'t> {
        // `parse` has seen each line to be good.
        lines(self.text).filter_map(|(_, result)| result.ok())
    }
}

/// Returns number and content of each line after the header; blank lines are passed over.
fn lines(text: &str) -> impl Iterator<Item = (usize, Result<(u64, Sample), RecordingErrorKind>)> + use<'_> {
    (1..)
        .zip(text.lines())
        .skip(1)
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| (number, read(line)))
}

fn read(line: &str) -> Result<(u64, Sample), RecordingErrorKind> {
    let mut cells = line.split(',');
    let mut next = |column: &'static str, places| {
        let cell = cells.next().ok_or(RecordingErrorKind::Columns(line.split(',').count()))?;
        scaled(cell.trim(), places).ok_or(RecordingErrorKind::Number(column))
    };
    let [time, x, y, z] = COLUMNS;
    let time_us = next(time, TIME_PLACES)?;
    let time_us = u64::try_from(time_us).map_err(|_| RecordingErrorKind::Number(time))?;
    let mut axis = |column| i32::try_from(next(column, SAMPLE_PLACES)?).map_err(|_| RecordingErrorKind::Number(column));
    let sample = [axis(x)?, axis(y)?, axis(z)?];
    if cells.next().is_some() {
        return Err(RecordingErrorKind::Columns(line.split(',').count()));
    }
    Ok((time_us, sample))
}

/// Returns the decimal number `text` times 10^`places`, rounded half away from zero; `None` if it is none, or too long.
fn scaled(text: &str, places: i32) -> Option<i64> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i16>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut mantissa = 0u64;
    for digit in whole.bytes().chain(fraction.bytes()) {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        mantissa = mantissa.checked_mul(10)?.checked_add(digit.into())?;
    }
    let power = i32::from(exponent) + places - i32::try_from(fraction.len()).ok()?;
    let scale = 10u64.checked_pow(power.unsigned_abs());
    let magnitude = match scale {
        Some(scale) if power >= 0 => mantissa.checked_mul(scale)?,
        Some(scale) => mantissa / scale + u64::from(mantissa % scale >= scale.div_ceil(2)),
        // Less than half of a unit, as a mantissa is below 2^64 and the divisor 10^20 or more.
        None if power < 0 => 0,
        None if mantissa == 0 => 0,
        None => return None,
    };
    let value = i64::try_from(magnitude).ok()?;
    Some(if negative { -value } else { value })
}

/// Returns the simplest rate (a convergent of the continued fraction) at which `intervals` take `span_us` microseconds but
/// for less than a quarter of a sample.
fn simplest_rate(intervals: u64, span_us: u64) -> Option<Rate> {
    let exact = (u128::from(intervals) * 1_000_000, u128::from(span_us));
    let (mut dividend, mut divisor) = exact;
    let (mut last, mut this) = ((0u128, 1u128), (1u128, 0u128));
    while divisor != 0 {
        let quotient = dividend / divisor;
        (dividend, divisor) = (divisor, dividend % divisor);
        let next = (quotient.checked_mul(this.0)? + last.0, quotient.checked_mul(this.1)? + last.1);
        (last, this) = (this, next);
        // |p/q − exact| · span < 1/4 sample, cross-multiplied.
        let (p, q) = this;
        let error = p.checked_mul(exact.1)?.abs_diff(q.checked_mul(exact.0)?);
        if p > 0 && error.checked_mul(4)? < q.checked_mul(1_000_000)? {
            return Some(Rate { numerator: u32::try_from(p).ok()?, denominator: u32::try_from(q).ok()? });
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    fn rate(numerator: u32, denominator: u32) -> Rate {
        Rate { numerator, denominator }
    }

    fn text(rows: &[&str]) -> String {
        [&[HEADER], rows].concat().join("\n")
    }

    fn refusal(rows: &[&str]) -> (usize, RecordingErrorKind) {
        let error = Recording::parse(text(rows).as_bytes()).unwrap_err();
        (error.line, error.kind)
    }

    #[test]
    fn reads_times_values_and_rate() {
        let text = text(&["10,0.0004,-0.0005,+980.6655", "10.005, 1e2 ,-2.5E-1,.5\r", "", "10.01,0,-0,7.", ""]);
        let recording = Recording::parse(text.as_bytes()).unwrap();
        assert_eq!(recording.rate(), rate(200, 1));
        assert_eq!(recording.sample_count(), 3);
        let samples: Vec<_> = recording.samples().collect();
        assert_eq!(
            samples,
            [(10_000_000, [0, -1, 980_666]), (10_005_000, [100_000, -250, 500]), (10_010_000, [0, 0, 7000])]
        );
    }

    #[test]
    fn numbers_round_half_away_from_zero_and_are_bounded() {
        let cases = [
            ("0.0014999999999999999", Some(1)),
            ("0.0015", Some(2)),
            ("-0.0015", Some(-2)),
            ("18446744073709551615e-19", Some(1845)),
            ("18446744073709551616e-19", None),
            ("9.223372036854775807e15", Some(i64::MAX)),
            ("9.223372036854775808e15", None),
            ("1e-32000", Some(0)),
            ("0e32000", Some(0)),
            ("1e32000", None),
            ("1e99999", None),
            ("9223372036854775807e-24", Some(0)),
        ];
        for (text, value) in cases {
            assert_eq!(scaled(text, 3), value, "{text}");
        }
        for text in ["", ".", "-", "e1", "1e", "1.2.3", "0x1", "nan", "inf", "--1", "1 2", "١"] {
            assert_eq!(scaled(text, 3), None, "{text}");
        }
    }

    #[test]
    fn rates_are_simple_although_times_are_rounded() {
        for (numerator, denominator) in [(200, 1), (125, 4), (104, 1), (100, 1), (10, 1), (1, 60), (59, 2)] {
            let exact = rate(numerator, denominator);
            let rows: Vec<String> = (0..500u64)
                .map(|index| {
                    let ms = (exact.micros(index) + 500) / 1000;
                    format!("{}.{:03},0,0,0", ms / 1000, ms % 1000)
                })
                .collect();
            let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
            let found = Recording::parse(text(&rows).as_bytes()).unwrap().rate();
            assert_eq!(found, exact);
        }
    }

    #[test]
    fn says_where_and_why() {
        use RecordingErrorKind::*;
        assert_eq!(Recording::parse(b"").unwrap_err(), RecordingError { line: 1, kind: Header });
        assert_eq!(Recording::parse(b"a\xff").unwrap_err(), RecordingError { line: 1, kind: NotText });
        assert_eq!(Recording::parse(b"t_s,x_gal,y_gal,z_gal\n0,0,0,\xff").unwrap_err().line, 2);
        assert_eq!(refusal(&[]), (1, TooShort));
        assert_eq!(refusal(&["0,0,0,0", ""]), (2, TooShort));
        assert_eq!(refusal(&["0,0,0"]), (2, Columns(3)));
        assert_eq!(refusal(&["0,0,0,0,0"]), (2, Columns(5)));
        assert_eq!(refusal(&["0,0,0,0", "1,0,x,0"]), (3, Number("y_gal")));
        assert_eq!(refusal(&["0,0,0,0", "1,0,0,2147483.648"]), (3, Number("z_gal")));
        assert_eq!(refusal(&["-1,0,0,0"]), (2, Number("t_s")));
        assert_eq!(refusal(&["0,0,0,0", "1,0,0,0", "1,0,0,0"]), (4, Order));
        assert_eq!(refusal(&["0,0,0,0", "1,0,0,0", "2,0,0,0", "4,0,0,0", "5,0,0,0"]), (5, Uneven));
        let missing: Vec<String> = (0..300).filter(|t| *t != 77).map(|t| format!("{t},0,0,0")).collect();
        assert_eq!(refusal(&missing.iter().map(String::as_str).collect::<Vec<_>>()), (79, Uneven));
        let message = format!("{}", Recording::parse(text(&["0,0,0,0", "1,0,x,0"]).as_bytes()).unwrap_err());
        assert_eq!(
            message,
            "recording, line 3: y_gal is not a decimal number of at most 19 digits in range (times from 0, accelerations \
             up to ±2,147,483 gal)"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Recording::parse(&bytes);
            let with_header = [HEADER.as_bytes(), b"\n", bytes.as_slice()].concat();
            let _ = Recording::parse(&with_header);
        }

        #[test]
        fn any_cells_are_read_or_refused(rows in proptest::collection::vec("[0-9.,eE+\\-]{0,40}", 0..6)) {
            let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
            if let Ok(recording) = Recording::parse(text(&rows).as_bytes()) {
                prop_assert_eq!(recording.samples().count() as u64, recording.sample_count());
            }
        }

        #[test]
        fn milligal_come_back(values in proptest::collection::vec(any::<[i32; 3]>(), 2..20)) {
            let cell = |value: i32| {
                let sign = if value < 0 { "-" } else { "" };
                format!("{sign}{}.{:03}", value.unsigned_abs() / 1000, value.unsigned_abs() % 1000)
            };
            let rows: Vec<String> =
                (0..).zip(&values).map(|(t, v): (u32, &[i32; 3])| format!("{t},{},{},{}", cell(v[0]), cell(v[1]), cell(v[2]))).collect();
            let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
            let text = text(&rows);
            let read: Vec<_> = Recording::parse(text.as_bytes()).unwrap().samples().map(|(_, v)| v).collect();
            prop_assert_eq!(read, values);
        }
    }
}
