//! The classical trigger: short-term over long-term average of the signal's energy.
//!
//! R. V. Allen, "Automatic earthquake recognition and timing from single traces", 1978; in the recursive form of
//! M. Withers et al., "A comparison of select trigger algorithms for automated global seismic phase and event detection",
//! 1998. It needs two sums instead of a minute of samples, so it can stand before everything else on the smallest machine.
//!
//! With the band-passed sample `x` (three axes, mGal), the energy is `E = Σ x²`, and each average over `n` samples is the
//! sum `S ← S − floor(S / n) + E`: never below the recursion `S·(1 − 1/n) + E` in real numbers, and less than `n` above
//! it, which is less than 1 mGal² of the average `S / n`. A sum is bounded by `n · 2⁵⁰`, so none overflows.

use crate::biquad::{BandPass, FRACTION_BITS, History, energy_of, remember};
use crate::front_end::{Band, FrontEndError, MAX_SECTIONS, within};
use crate::{AXES, Rate, SAMPLE_LIMIT, Sample};

/// Most samples of an average: keeps every sum below 2⁶³.
pub const MAX_AVERAGE_SAMPLES: u64 = 1 << 13;

/// Parameters of the trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize), serde(deny_unknown_fields))]
pub struct StaLta {
    /// Rate of the samples.
    pub rate: Rate,
    /// The band in which energy counts; it also takes gravity away.
    pub band: Band,
    /// Equal filter sections in series, 1 or 2.
    pub sections: u8,
    /// Span of the short-term average, ms; at least a sample.
    pub short_ms: u32,
    /// Span of the long-term average, ms; longer than `short_ms`, at most [`MAX_AVERAGE_SAMPLES`] samples.
    pub long_ms: u32,
    /// Samples that the long-term average must hold before a ratio counts, in ms; from `short_ms` to `long_ms`.
    pub warm_up_ms: u32,
    /// The trigger opens at this ratio of energies in Q8: 512 is twice the energy, 1024 twice the amplitude.
    pub on_q8: u16,
    /// It closes below this one; at most `on_q8`.
    pub off_q8: u16,
    /// The long-term average counts as at least this, mGal²; at least 1. About the energy of the sensor's noise.
    pub floor_mgal2: u32,
}

impl StaLta {
    /// STA 2 s, LTA 60 s, 1–7 Hz at 31.25 samples per second; opens at twice the amplitude, closes at 1.5 times.
    pub const SEISMIC: Self = Self {
        rate: Rate { numerator: 125, denominator: 4 },
        // First-order Butterworth, by the bilinear transform.
        band: Band { gain: 218_974_590, feedback: [535_521_813, -98_921_733] },
        sections: 1,
        short_ms: 2000,
        long_ms: 60_000,
        warm_up_ms: 20_000,
        on_q8: 1024,
        off_q8: 576,
        floor_mgal2: 500,
    };

    /// Returns the samples in `ms`, rounded half up.
    fn samples(&self, ms: u32) -> u64 {
        let thousandths = u128::from(ms) * u128::from(self.rate.numerator);
        let divisor = 1000 * u128::from(self.rate.denominator.max(1));
        u64::try_from((2 * thousandths + divisor) / (2 * divisor)).unwrap_or(u64::MAX)
    }

    /// Checks every field against its documented range.
    ///
    /// # Errors
    ///
    /// The first field that is out of range.
    pub fn validate(&self) -> Result<(), FrontEndError> {
        within("sta_lta.rate.numerator", self.rate.numerator.into(), 1, u32::MAX.into())?;
        within("sta_lta.rate.denominator", self.rate.denominator.into(), 1, u32::MAX.into())?;
        within("sta_lta.sections", self.sections.into(), 1, MAX_SECTIONS as i64)?;
        within("sta_lta.band.gain", self.band.gain.into(), 0, 1 << 30)?;
        if !self.band.stable() {
            return Err(FrontEndError::UnstableBand(0));
        }
        let field = |name, value: u32| FrontEndError::Field { name, value: value.into() };
        if self.samples(self.short_ms) < 1 {
            return Err(field("sta_lta.short_ms", self.short_ms));
        }
        let long = self.samples(self.long_ms);
        if long > MAX_AVERAGE_SAMPLES || long <= self.samples(self.short_ms) {
            return Err(field("sta_lta.long_ms", self.long_ms));
        }
        within("sta_lta.warm_up_ms", self.warm_up_ms.into(), self.short_ms.into(), self.long_ms.into())?;
        within("sta_lta.off_q8", self.off_q8.into(), 1, self.on_q8.into())?;
        within("sta_lta.floor_mgal2", self.floor_mgal2.into(), 1, u32::MAX.into())
    }
}

/// What the trigger says after a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// False while the long-term average warms up.
    pub ready: bool,
    /// Whether the trigger is open.
    pub open: bool,
    /// The short-term sum, mGal² times its samples.
    pub short_sum: u64,
    /// The long-term sum, mGal² times its samples (those seen, while it warms up).
    pub long_sum: u64,
}

/// The state machine of [`StaLta`].
#[derive(Clone)]
pub struct StaLtaTrigger {
    parameters: StaLta,
    short_samples: u64,
    long_samples: u64,
    warm_up_samples: u64,
    rest: Option<Sample>,
    inputs: [History; AXES],
    filters: [BandPass; AXES],
    last_us: Option<u64>,
    short_sum: u64,
    long_sum: u64,
    /// Samples in the averages; the long-term average is the plain mean until it has seen its span.
    seen: u64,
    open: bool,
}

impl StaLtaTrigger {
    /// Returns a closed trigger that has seen no sample.
    ///
    /// # Errors
    ///
    /// What [`StaLta::validate`] finds.
    pub fn new(parameters: StaLta) -> Result<Self, FrontEndError> {
        parameters.validate()?;
        Ok(Self {
            short_samples: parameters.samples(parameters.short_ms),
            long_samples: parameters.samples(parameters.long_ms),
            warm_up_samples: parameters.samples(parameters.warm_up_ms),
            parameters,
            rest: None,
            inputs: [[0; 2]; AXES],
            filters: [BandPass::default(); AXES],
            last_us: None,
            short_sum: 0,
            long_sum: 0,
            seen: 0,
            open: false,
        })
    }

    /// Returns the parameters.
    pub fn parameters(&self) -> &StaLta {
        &self.parameters
    }

    /// Takes one sample, read at `time_us`.
    ///
    /// Where the time is not that of the next sample (half a period or more off, or back), samples are missing: the
    /// trigger goes on with [`restart`](Self::restart), and from nothing if more than the long-term span is missing.
    pub fn push(&mut self, time_us: u64, sample: Sample) -> Trigger {
        let elapsed = self.last_us.map(|last| time_us.checked_sub(last));
        self.last_us = Some(time_us);
        match elapsed {
            // Nothing before, or time went back: how long the gap is, is not known.
            None => {}
            Some(None) => self.forget(),
            Some(Some(elapsed)) => {
                let period_us = self.parameters.rate.micros(1);
                if elapsed > u64::from(self.parameters.long_ms) * 1000 {
                    self.forget();
                } else if 2 * elapsed.abs_diff(period_us) >= period_us {
                    self.restart();
                }
            }
        }
        let energy = self.filter(sample);
        self.seen = self.seen.saturating_add(1);
        follow(&mut self.short_sum, energy, self.short_samples, self.seen);
        follow(&mut self.long_sum, energy, self.long_samples, self.seen);
        let ready = self.seen >= self.warm_up_samples;
        let threshold_q8 = if self.open { self.parameters.off_q8 } else { self.parameters.on_q8 };
        let (energy, level) = self.cross();
        self.open = ready && energy << 8 >= level * u128::from(threshold_q8);
        Trigger { ready, open: self.open, short_sum: self.short_sum, long_sum: self.long_sum }
    }

    /// Returns the ratio of the averages in Q4, at most `i8::MAX`: 32 is twice the energy. 0 while warming up.
    pub fn score(&self) -> i8 {
        if self.seen < self.warm_up_samples {
            return 0;
        }
        let (energy, level) = self.cross();
        i8::try_from((energy << 4) / level.max(1)).unwrap_or(i8::MAX)
    }

    /// Makes the trigger start over after lost samples: it closes, the filters start from the next sample, and the
    /// short-term average starts at the long-term one, which is kept. So the gap itself raises nothing.
    pub fn restart(&mut self) {
        self.rest = None;
        self.inputs = [[0; 2]; AXES];
        self.filters = [BandPass::default(); AXES];
        self.open = false;
        // The mean of the long-term average for as many samples as the short one holds.
        let held = self.seen.min(self.short_samples);
        self.short_sum = self.long_sum / self.seen.clamp(1, self.long_samples) * held;
    }

    /// As after [`new`](Self::new).
    fn forget(&mut self) {
        (self.long_sum, self.seen) = (0, 0);
        self.restart();
    }

    /// The two averages over a common denominator.
    fn cross(&self) -> (u128, u128) {
        let (short, long) = (self.seen.min(self.short_samples), self.seen.min(self.long_samples));
        let level = self.long_sum.max(u64::from(self.parameters.floor_mgal2).saturating_mul(long));
        (u128::from(self.short_sum) * u128::from(long), u128::from(level) * u128::from(short))
    }

    /// Energy of the band-passed sample, mGal², below 2⁵⁰.
    fn filter(&mut self, sample: Sample) -> u64 {
        let rest = *self.rest.get_or_insert(sample);
        let axes = sample.into_iter().zip(rest).zip(self.inputs.iter_mut().zip(&mut self.filters));
        axes.fold(0, |energy, ((value, rest), (inputs, filter))| {
            let moved = value.saturating_sub(rest).clamp(-SAMPLE_LIMIT, SAMPLE_LIMIT) << FRACTION_BITS;
            let filtered = filter.push(&self.parameters.band, self.parameters.sections, moved, *inputs);
            remember(inputs, moved);
            energy + energy_of(filtered)
        })
    }
}

/// One step of an average over `span` samples, of which `seen` have come with this one.
fn follow(sum: &mut u64, energy: u64, span: u64, seen: u64) {
    if seen > span {
        *sum -= *sum / span;
    }
    *sum += energy;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What another implementation of the formulas makes of a record: `golden/sta_lta.py`.
    const GOLDEN: &str = include_str!("../golden/sta_lta.csv");

    fn time_us(index: u64) -> u64 {
        StaLta::SEISMIC.rate.micros(index)
    }

    fn noise(state: &mut u32, amplitude: i32) -> Sample {
        [(); AXES].map(|()| {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (*state >> 8) as i32 % (2 * amplitude + 1) - amplitude
        })
    }

    fn plus(a: Sample, b: Sample) -> Sample {
        core::array::from_fn(|axis| a[axis] + b[axis])
    }

    /// Indices at which the trigger opens.
    fn openings(trigger: &mut StaLtaTrigger, samples: impl IntoIterator<Item = (u64, Sample)>) -> Vec<u64> {
        let mut was = false;
        let mut found = Vec::new();
        for (time, sample) in samples {
            let open = trigger.push(time, sample).open;
            if open && !was {
                found.push(time);
            }
            was = open;
        }
        found
    }

    #[test]
    fn equals_another_implementation_in_every_bit() {
        let mut trigger = StaLtaTrigger::new(StaLta::SEISMIC).unwrap();
        let mut lines = 0;
        let mut opened = 0;
        for line in GOLDEN.lines().skip(1) {
            let cells: Vec<i64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
            let axis = |index: usize| i32::try_from(cells[index]).unwrap();
            let state = trigger.push(cells[0] as u64, [axis(1), axis(2), axis(3)]);
            let found = [
                i64::from(state.ready),
                i64::from(state.open),
                state.short_sum as i64,
                state.long_sum as i64,
                trigger.score().into(),
            ];
            assert_eq!(found, cells[4..], "line {}", lines + 2);
            lines += 1;
            opened += cells[5];
        }
        assert!(lines > 3000 && opened > 100, "the record holds an event: {opened} of {lines} samples");
    }

    #[test]
    fn an_onset_opens_and_its_end_closes() {
        let mut trigger = StaLtaTrigger::new(StaLta::SEISMIC).unwrap();
        let mut state = 3;
        let quiet = |state: &mut u32| plus(noise(state, 100), [0, 0, 981_000]);
        let mut open = Vec::new();
        for index in 0..5000 {
            // Ten times the amplitude for ten seconds.
            let amplitude = if (3000..3312).contains(&index) { 1000 } else { 0 };
            let sample = plus(quiet(&mut state), noise(&mut state, amplitude));
            open.push(trigger.push(time_us(index), sample).open);
        }
        let first = open.iter().position(|open| *open).unwrap();
        assert!((3000..3031).contains(&first), "opens within a second: {first}");
        let last = open.iter().rposition(|open| *open).unwrap();
        assert!((3312..3600).contains(&last), "closes after the event: {last}");
        assert_eq!(open.windows(2).filter(|pair| pair[0] != pair[1]).count(), 2, "opens once");
    }

    #[test]
    fn gaps_steps_and_clocks_that_jump_raise_nothing() {
        let mut state = 5;
        for missing_us in [40_000, 1_000_000, 59_000_000, 61_000_000, 86_400_000_000] {
            let mut trigger = StaLtaTrigger::new(StaLta::SEISMIC).unwrap();
            let record: Vec<(u64, Sample)> = (0..6000)
                .map(|index| {
                    // After the gap the sensor lies elsewhere: its gravity has turned.
                    let (late, rest) =
                        if index < 3000 { (0, [0, 0, 981_000]) } else { (missing_us, [600_000, 0, 776_000]) };
                    (time_us(index) + late, plus(noise(&mut state, 100), rest))
                })
                .collect();
            assert_eq!(openings(&mut trigger, record), [], "{missing_us} µs are missing");
        }
        let mut trigger = StaLtaTrigger::new(StaLta::SEISMIC).unwrap();
        let record =
            (0..4000).map(|n| (if n < 2000 { 10_000_000_000 } else { 0 } + time_us(n), noise(&mut state, 100)));
        assert_eq!(openings(&mut trigger, record), [], "a clock that goes back");
        // The same turn of the sensor without a gap is motion.
        let mut trigger = StaLtaTrigger::new(StaLta::SEISMIC).unwrap();
        let record = (0..4000).map(|n| (time_us(n), if n < 3000 { [0, 0, 981_000] } else { [600_000, 0, 776_000] }));
        assert_eq!(openings(&mut trigger, record), [time_us(3000)]);
    }

    #[test]
    fn after_a_gap_an_event_is_still_found() {
        let mut trigger = StaLtaTrigger::new(StaLta::SEISMIC).unwrap();
        let mut state = 7;
        let record: Vec<(u64, Sample)> = (0..4000)
            .map(|index| {
                let late = if index < 3000 { 0 } else { 5_000_000 };
                (time_us(index) + late, noise(&mut state, if (3040..3100).contains(&index) { 2000 } else { 100 }))
            })
            .collect();
        let found = openings(&mut trigger, record);
        assert_eq!(found.len(), 1);
        assert!(found[0] - 5_000_000 - time_us(3040) < 1_000_000);
    }

    #[test]
    fn refuses_parameters_out_of_range() {
        let good = StaLta::SEISMIC;
        assert_eq!(good.validate(), Ok(()));
        let field = |name, value| Err(FrontEndError::Field { name, value });
        assert_eq!(StaLta { short_ms: 10, ..good }.validate(), field("sta_lta.short_ms", 10));
        assert_eq!(StaLta { long_ms: 2000, ..good }.validate(), field("sta_lta.long_ms", 2000));
        assert_eq!(StaLta { long_ms: 300_000, ..good }.validate(), field("sta_lta.long_ms", 300_000));
        assert_eq!(StaLta { warm_up_ms: 1, ..good }.validate(), field("sta_lta.warm_up_ms", 1));
        assert_eq!(StaLta { off_q8: 1025, ..good }.validate(), field("sta_lta.off_q8", 1025));
        assert_eq!(StaLta { sections: 3, ..good }.validate(), field("sta_lta.sections", 3));
        assert_eq!(StaLta { floor_mgal2: 0, ..good }.validate(), field("sta_lta.floor_mgal2", 0));
        let wild = Band { gain: 1, feedback: [1 << 30, 0] };
        assert_eq!(StaLta { band: wild, ..good }.validate(), Err(FrontEndError::UnstableBand(0)));
        let still = Rate { numerator: 0, denominator: 4 };
        assert_eq!(StaLta { rate: still, ..good }.validate(), field("sta_lta.rate.numerator", 0));
    }

    proptest! {
        #[test]
        fn sums_keep_their_bound(energies in proptest::collection::vec(0u64..1 << 50, 1..3000), span in 1u64..200) {
            let (mut sum, mut real) = (0u64, 0f64);
            for (index, energy) in (1..).zip(energies) {
                follow(&mut sum, energy, span, index);
                real = if index > span { real * (1.0 - 1.0 / span as f64) } else { real } + energy as f64;
                // 2⁻⁴⁰ of the value covers what f64 itself loses.
                let slack = real * 2f64.powi(-40);
                prop_assert!(sum as f64 >= real - slack && (sum as f64) < real + span as f64 + slack);
            }
        }

        #[test]
        fn no_samples_and_times_overflow(
            samples in proptest::collection::vec((any::<u64>(), proptest::array::uniform3(any::<i32>())), 1..500),
            even in any::<bool>(),
        ) {
            let mut trigger = StaLtaTrigger::new(StaLta::SEISMIC).unwrap();
            for (index, (time, sample)) in samples.into_iter().enumerate() {
                trigger.push(if even { time_us(index as u64) } else { time }, sample);
                trigger.score();
            }
        }
    }
}
