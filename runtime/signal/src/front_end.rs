//! The parameters of a front end, and their 128-byte record.
//!
//! An artifact carries the record beside its model, so that a model cannot run behind the wrong front end.
//!
//! # The record, version 1
//!
//! Little-endian, [`RECORD_BYTES`] long; reserved bytes are zero.
//!
//! | at | type | field |
//! |---|---|---|
//! | 0 | u16 | version, 1 |
//! | 2 | u8 | axes, 3 |
//! | 3 | u8 | unit of the samples: 1 = mGal |
//! | 4 | u32 | `rate.numerator` |
//! | 8 | u32 | `rate.denominator` |
//! | 12 | u16 | `hop_samples` |
//! | 14 | u8 | `window_hops` |
//! | 15 | u8 | `segments` |
//! | 16 | u8 | `average_shift` |
//! | 17 | u8 | `warm_up_hops` |
//! | 18 | u8 | `sections` |
//! | 19 | u8 | number of bands |
//! | 20 | u32 | `floor_mgal2` |
//! | 24 | i16 | `level_center_q8` |
//! | 26 | u8 | `feature_shift` |
//! | 27 | i8 | `feature_zero_point` |
//! | 28 | i8, i8, u8, u8 | `decision`: `on_score`, `off_score`, `votes`, `of_hops` |
//! | 32 | u8 | `gate.short_hops` |
//! | 33 | u8 | reserved |
//! | 34 | i16, i16 | `gate.on_q8`, `gate.off_q8` |
//! | 38 | 2 bytes | reserved |
//! | 40 | 6 × 3 i32 | bands: gain, feedback 1, feedback 2; unused bands are zero |
//! | 112 | 16 bytes | reserved |

use core::fmt;

use crate::{AXES, Rate};

/// Length of the record.
pub const RECORD_BYTES: usize = 128;
/// Most bands of a filter bank.
pub const MAX_BANDS: usize = 6;
/// Most equal sections of a band's filter.
pub const MAX_SECTIONS: usize = 2;
/// Most hops of a window.
pub const MAX_WINDOW_HOPS: usize = 16;
/// Most segments of a window.
pub const MAX_SEGMENTS: usize = 4;
/// Most features of a window.
pub const MAX_FEATURES: usize = MAX_SEGMENTS * (MAX_BANDS + 2) + 3;
/// Fraction bits of the coefficients of [`Band`].
pub const COEFFICIENT_SHIFT: u32 = 29;
/// Longest running average: 2⁸ hops.
pub const MAX_AVERAGE_SHIFT: u8 = 8;
/// Longest hop, in samples: an energy of a hop stays below 2⁵⁵ mGal².
pub const MAX_HOP_SAMPLES: u16 = 32;

const VERSION: u16 = 1;
const UNIT_MILLIGAL: u8 = 1;
const BANDS_AT: usize = 40;
const RESERVED_TAIL: usize = RECORD_BYTES - BANDS_AT - MAX_BANDS * 12;

/// A band-pass section `H(z) = gain·(1 − z⁻²) / (1 − feedback[0]·z⁻¹ − feedback[1]·z⁻²)`, coefficients in Q29.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize), serde(deny_unknown_fields))]
pub struct Band {
    /// Factor of the input, Q29.
    pub gain: i32,
    /// Factors of the last two outputs, Q29.
    pub feedback: [i32; 2],
}

impl Band {
    /// Returns whether the poles lie inside the unit circle (the stability triangle of a second-order section).
    pub(crate) fn stable(&self) -> bool {
        let one = 1i64 << COEFFICIENT_SHIFT;
        let [first, second] = self.feedback.map(i64::from);
        second.abs() < one && first.abs() < one - second
    }
}

/// When scores become an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize), serde(deny_unknown_fields))]
pub struct Decision {
    /// A hop votes for an alarm when its score (quantized) is at least this.
    pub on_score: i8,
    /// An alarm ends when the score of none of the last `of_hops` hops reaches this; at most `on_score`. -128: it lasts as
    /// long as the gate is open.
    pub off_score: i8,
    /// Votes that raise an alarm, 1 ..= `of_hops`.
    pub votes: u8,
    /// Hops in which they are counted, 1 ..= 32.
    pub of_hops: u8,
}

impl Decision {
    /// Checks every field against its documented range.
    ///
    /// # Errors
    ///
    /// The first field that is out of range.
    pub fn validate(&self) -> Result<(), FrontEndError> {
        within("decision.of_hops", self.of_hops.into(), 1, 32)?;
        within("decision.votes", self.votes.into(), 1, self.of_hops.into())?;
        within("decision.off_score", self.off_score.into(), i8::MIN.into(), self.on_score.into())
    }
}

/// The STA/LTA gate: the model runs only while the short-term mean energy stands out from the running average
/// (R. V. Allen, "Automatic earthquake recognition and timing from single traces", 1978).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize), serde(deny_unknown_fields))]
pub struct Gate {
    /// Hops of the short-term mean, 1 ..= `window_hops`.
    pub short_hops: u8,
    /// The gate opens at this ratio of energies, log2 in Q8: 512 is twice the amplitude.
    pub on_q8: i16,
    /// It closes below this one; at most `on_q8`.
    pub off_q8: i16,
}

/// Parameters of a front end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize), serde(deny_unknown_fields))]
pub struct FrontEnd {
    /// Sample rate of the model.
    pub rate: Rate,
    /// Samples between two feature vectors, 1 ..= [`MAX_HOP_SAMPLES`].
    pub hop_samples: u16,
    /// Length of the window, in hops; a multiple of `segments`.
    pub window_hops: u8,
    /// Equal parts of the window, oldest first, each with its own features.
    pub segments: u8,
    /// The running average spans 2^`average_shift` hops.
    pub average_shift: u8,
    /// Hops that the running average must hold, beyond the window, before features count; at least 1.
    pub warm_up_hops: u8,
    /// Equal filter sections in series per band, 1 or 2.
    pub sections: u8,
    /// Added to every mean energy before its logarithm, mGal²; at least 1. About the energy of the sensor's noise.
    pub floor_mgal2: u32,
    /// Level (log2 of mGal², Q8) that counts as feature 0.
    pub level_center_q8: i16,
    /// Features in Q8 are shifted right by this (rounded half up): 6 is 1/4 octave per step.
    pub feature_shift: u8,
    /// Zero point of the features.
    pub feature_zero_point: i8,
    /// When scores become an alarm.
    pub decision: Decision,
    /// When the model runs.
    pub gate: Gate,
    /// The filter bank, 1 ..= [`MAX_BANDS`].
    pub bands: heapless::Vec<Band, MAX_BANDS>,
}

/// Refuses a field's value outside `least ..= most`.
pub(crate) fn within(name: &'static str, value: i64, least: i64, most: i64) -> Result<(), FrontEndError> {
    if (least..=most).contains(&value) { Ok(()) } else { Err(FrontEndError::Field { name, value }) }
}

/// Why a front end cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrontEndError {
    /// The record does not have this many bytes.
    Length(usize),
    /// This version of the record is not known; the artifact is newer than this program.
    Version(u16),
    /// A value is outside the range that its documentation gives.
    Field {
        /// The field, as named in [`FrontEnd`].
        name: &'static str,
        /// Its value.
        value: i64,
    },
    /// A band's filter is unstable: its response would grow without end.
    UnstableBand(usize),
}

impl fmt::Display for FrontEndError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(length) => write!(f, "front end has {length} bytes; a record has {RECORD_BYTES}"),
            Self::Version(version) => {
                write!(f, "front end has version {version}; this program knows version {VERSION}: update it")
            }
            Self::Field { name, value } => write!(f, "front end: {name} = {value} is out of range"),
            Self::UnstableBand(band) => write!(f, "front end: the filter of band {band} is unstable"),
        }
    }
}

impl core::error::Error for FrontEndError {}

impl FrontEnd {
    /// Returns the number of features of a window: per segment one per band, one for zero crossings and one
    /// for the peak, then the level and two shares of the strongest axis.
    pub fn feature_count(&self) -> usize {
        usize::from(self.segments) * (self.bands.len() + 2) + 3
    }

    /// Returns the hops of one segment.
    pub fn segment_hops(&self) -> usize {
        usize::from(self.window_hops) / usize::from(self.segments.max(1))
    }

    /// Checks every field against its documented range.
    ///
    /// # Errors
    ///
    /// The first field that is out of range, or the first unstable band.
    pub fn validate(&self) -> Result<(), FrontEndError> {
        let Self { rate, decision, gate, .. } = self;
        within("rate.numerator", rate.numerator.into(), 1, u32::MAX.into())?;
        within("rate.denominator", rate.denominator.into(), 1, u32::MAX.into())?;
        within("hop_samples", self.hop_samples.into(), 1, MAX_HOP_SAMPLES.into())?;
        within("window_hops", self.window_hops.into(), 1, MAX_WINDOW_HOPS as i64)?;
        within("segments", self.segments.into(), 1, MAX_SEGMENTS as i64)?;
        if !self.window_hops.is_multiple_of(self.segments) {
            return Err(FrontEndError::Field { name: "segments", value: self.segments.into() });
        }
        within("average_shift", self.average_shift.into(), 0, MAX_AVERAGE_SHIFT.into())?;
        within("warm_up_hops", self.warm_up_hops.into(), 1, 1 << self.average_shift)?;
        within("sections", self.sections.into(), 1, MAX_SECTIONS as i64)?;
        within("floor_mgal2", self.floor_mgal2.into(), 1, u32::MAX.into())?;
        within("feature_shift", self.feature_shift.into(), 1, 12)?;
        decision.validate()?;
        within("gate.short_hops", gate.short_hops.into(), 1, self.window_hops.into())?;
        within("gate.off_q8", gate.off_q8.into(), i16::MIN.into(), gate.on_q8.into())?;
        within("bands", self.bands.len() as i64, 1, MAX_BANDS as i64)?;
        for (index, band) in self.bands.iter().enumerate() {
            within("bands.gain", band.gain.into(), 0, 1 << 30)?;
            if !band.stable() {
                return Err(FrontEndError::UnstableBand(index));
            }
        }
        Ok(())
    }

    /// Returns the record.
    pub fn encode(&self) -> [u8; RECORD_BYTES] {
        let mut record = [0; RECORD_BYTES];
        let mut writer = Writer(&mut record);
        writer.put(VERSION.to_le_bytes());
        writer.put([AXES as u8, UNIT_MILLIGAL]);
        writer.put(self.rate.numerator.to_le_bytes());
        writer.put(self.rate.denominator.to_le_bytes());
        writer.put(self.hop_samples.to_le_bytes());
        writer.put([self.window_hops, self.segments, self.average_shift, self.warm_up_hops, self.sections]);
        writer.put([self.bands.len() as u8]);
        writer.put(self.floor_mgal2.to_le_bytes());
        writer.put(self.level_center_q8.to_le_bytes());
        writer.put([self.feature_shift]);
        writer.put(self.feature_zero_point.to_le_bytes());
        writer.put(self.decision.on_score.to_le_bytes());
        writer.put(self.decision.off_score.to_le_bytes());
        writer.put([self.decision.votes, self.decision.of_hops, self.gate.short_hops, 0]);
        writer.put(self.gate.on_q8.to_le_bytes());
        writer.put(self.gate.off_q8.to_le_bytes());
        writer.put([0; 2]);
        for band in &self.bands {
            writer.put(band.gain.to_le_bytes());
            writer.put(band.feedback[0].to_le_bytes());
            writer.put(band.feedback[1].to_le_bytes());
        }
        record
    }

    /// Reads and validates a record.
    ///
    /// # Errors
    ///
    /// Wrong length, unknown version, or a field outside its range; nothing else can fail later.
    pub fn decode(record: &[u8]) -> Result<Self, FrontEndError> {
        if record.len() != RECORD_BYTES {
            return Err(FrontEndError::Length(record.len()));
        }
        let mut reader = Reader(record);
        let version = reader.u16();
        if version != VERSION {
            return Err(FrontEndError::Version(version));
        }
        let field = |name, value| FrontEndError::Field { name, value };
        let axes = reader.u8();
        if usize::from(axes) != AXES {
            return Err(field("axes", axes.into()));
        }
        let unit = reader.u8();
        if unit != UNIT_MILLIGAL {
            return Err(field("unit", unit.into()));
        }
        let rate = Rate { numerator: reader.u32(), denominator: reader.u32() };
        let hop_samples = reader.u16();
        let [window_hops, segments, average_shift, warm_up_hops, sections, band_count] = reader.take();
        let floor_mgal2 = reader.u32();
        let level_center_q8 = reader.i16();
        let feature_shift = reader.u8();
        let feature_zero_point = reader.i8();
        let decision =
            Decision { on_score: reader.i8(), off_score: reader.i8(), votes: reader.u8(), of_hops: reader.u8() };
        let short_hops = reader.u8();
        let mut reserved = reader.u8() != 0;
        let gate = Gate { short_hops, on_q8: reader.i16(), off_q8: reader.i16() };
        reserved |= reader.take::<2>() != [0; 2];
        let mut bands = heapless::Vec::new();
        for index in 0..MAX_BANDS {
            let band = Band { gain: reader.i32(), feedback: [reader.i32(), reader.i32()] };
            if index < usize::from(band_count) {
                // Room for MAX_BANDS, so a push never fails.
                let _ = bands.push(band);
            } else {
                reserved |= band != Band::default();
            }
        }
        reserved |= reader.take::<RESERVED_TAIL>() != [0; RESERVED_TAIL];
        if usize::from(band_count) > MAX_BANDS {
            return Err(field("bands", band_count.into()));
        }
        if reserved {
            return Err(field("reserved", 1));
        }
        let front_end = Self {
            rate,
            hop_samples,
            window_hops,
            segments,
            average_shift,
            warm_up_hops,
            sections,
            floor_mgal2,
            level_center_q8,
            feature_shift,
            feature_zero_point,
            decision,
            gate,
            bands,
        };
        front_end.validate()?;
        Ok(front_end)
    }
}

/// Writes fields one after the other; the layout above fits the record exactly.
struct Writer<'a>(&'a mut [u8]);

impl Writer<'_> {
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some((head, tail)) = core::mem::take(&mut self.0).split_at_mut_checked(N) {
            head.copy_from_slice(&bytes);
            self.0 = tail;
        }
    }
}

/// Reads fields one after the other; zeros past the end, which `decode` rules out by the length.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk::<N>() {
            Some((head, tail)) => {
                self.0 = tail;
                *head
            }
            None => [0; N],
        }
    }

    fn u8(&mut self) -> u8 {
        u8::from_le_bytes(self.take())
    }

    fn i8(&mut self) -> i8 {
        i8::from_le_bytes(self.take())
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }

    fn i16(&mut self) -> i16 {
        i16::from_le_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn i32(&mut self) -> i32 {
        i32::from_le_bytes(self.take())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Five bands of one octave from 0.4 to 9 Hz at 31.25 Hz.
    pub(crate) fn example() -> FrontEnd {
        let band = |gain, first, second| Band { gain, feedback: [first, second] };
        FrontEnd {
            rate: Rate { numerator: 125, denominator: 4 },
            hop_samples: 8,
            window_hops: 16,
            segments: 4,
            average_shift: 7,
            warm_up_hops: 24,
            sections: 1,
            floor_mgal2: 1000,
            level_center_q8: 4608,
            feature_shift: 5,
            feature_zero_point: 0,
            decision: Decision { on_score: 20, off_score: -20, votes: 2, of_hops: 3 },
            gate: Gate { short_hops: 4, on_q8: 512, off_q8: 256 },
            bands: heapless::Vec::from_iter([
                band(25_000_000, 1_017_000_000, -486_000_000),
                band(48_785_000, 930_000_000, -439_300_912),
                band(90_000_000, 700_000_000, -356_000_000),
            ]),
        }
    }

    proptest! {
        #[test]
        fn what_decodes_encodes_to_the_same_bytes(at in 0usize..RECORD_BYTES, value: u8) {
            let mut record = example().encode();
            record[at] = value;
            if let Ok(front_end) = FrontEnd::decode(&record) {
                prop_assert_eq!(front_end.encode(), record);
            }
        }

        #[test]
        fn decode_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..=RECORD_BYTES + 1)) {
            let _ = FrontEnd::decode(&bytes);
        }
    }

    #[test]
    fn encode_and_decode_are_inverse() {
        let front_end = example();
        assert_eq!(FrontEnd::decode(&front_end.encode()), Ok(front_end));
    }

    #[test]
    fn refuses_with_the_place() {
        let record = example().encode();
        assert_eq!(FrontEnd::decode(&record[1..]), Err(FrontEndError::Length(127)));
        let with = |at: usize, value: u8| {
            let mut record = record;
            record[at] = value;
            FrontEnd::decode(&record)
        };
        assert_eq!(with(0, 2), Err(FrontEndError::Version(2)));
        for (at, value, name) in [
            (2, 1, "axes"),
            (3, 0, "unit"),
            (4, 0, "rate.numerator"),
            (8, 0, "rate.denominator"),
            (12, 0, "hop_samples"),
            (14, 17, "window_hops"),
            (15, 3, "segments"),
            (16, 9, "average_shift"),
            (17, 0, "warm_up_hops"),
            (18, 3, "sections"),
            (19, 7, "bands"),
            (26, 0, "feature_shift"),
            (29, 21, "decision.off_score"),
            (30, 4, "decision.votes"),
            (31, 33, "decision.of_hops"),
            (32, 17, "gate.short_hops"),
            (33, 1, "reserved"),
            (37, 127, "gate.off_q8"),
            (39, 1, "reserved"),
            (BANDS_AT + 36, 1, "reserved"),
            (RECORD_BYTES - 1, 1, "reserved"),
        ] {
            match with(at, value) {
                Err(FrontEndError::Field { name: found, .. }) => assert_eq!(found, name, "byte {at}"),
                other => panic!("byte {at}: {other:?}"),
            }
        }
        assert_eq!(with(BANDS_AT + 11, 0x80), Err(FrontEndError::UnstableBand(0)));
    }
}
