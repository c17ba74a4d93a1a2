//! Features of the window that ends now.

use heapless::Deque;

use crate::biquad::{BandPass, FRACTION_BITS, History, energy_of, remember};
use crate::front_end::{FrontEnd, FrontEndError, MAX_BANDS, MAX_HOP_SAMPLES, MAX_WINDOW_HOPS};
use crate::{AXES, SAMPLE_LIMIT, Sample, log2_q8};

/// Room for the samples of a hop.
const HOP: usize = MAX_HOP_SAMPLES as usize;

/// What one hop of the signal held: sums over its samples.
#[derive(Clone, Copy, Default)]
struct Sums {
    /// Per band, over the axes, mGal².
    bands: [u64; MAX_BANDS],
    /// Per axis, over the bands, mGal².
    axes: [u64; AXES],
    /// Sign changes of the filtered signal, over the axes.
    crossings: u64,
    /// Greatest energy of a single sample, over axes and bands, mGal². A maximum, not a sum.
    peak: u64,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.apply(other, |sum, value| sum.saturating_add(value));
        self.peak = self.peak.max(other.peak);
    }

    /// `self = self − floor(self / 2^shift) + other`: what 2^shift hops of the average would sum to.
    fn decay_and_add(&mut self, other: &Self, shift: u8) {
        self.apply(other, |sum, value| (sum - (sum >> shift)).saturating_add(value));
    }

    fn apply(&mut self, other: &Self, f: impl Fn(u64, u64) -> u64) {
        let each = |to: &mut [u64], from: &[u64]| to.iter_mut().zip(from).for_each(|(to, from)| *to = f(*to, *from));
        each(&mut self.bands, &other.bands);
        each(&mut self.axes, &other.axes);
        self.crossings = f(self.crossings, other.crossings);
    }
}

/// A completed hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// False while the window fills and the running average warms up; the model must not run before.
    pub ready: bool,
    /// Short-term over running-average energy, log2 in Q8; 0 until `ready`.
    pub gate_q8: i32,
}

/// Turns samples at the model's rate into the features of each hop.
///
/// The first sample is taken as the resting value (gravity, offset) and subtracted from all; band-pass filters then
/// yield one signal per axis and band. Energies are summed per hop. The running average follows the hops that have
/// *left* the window, so an onset does not lift the level it is measured against.
pub struct FeatureExtractor {
    front_end: FrontEnd,
    rest: Option<Sample>,
    inputs: [History; AXES],
    filters: [[BandPass; MAX_BANDS]; AXES],
    negative: [bool; AXES],
    /// Samples of the hop that is not complete yet.
    hop: heapless::Vec<Sample, HOP>,
    window: Deque<Sums, MAX_WINDOW_HOPS>,
    /// Sum over `averaged` hops.
    average: Sums,
    averaged: u32,
}

impl FeatureExtractor {
    /// Returns an extractor that has seen no sample yet.
    ///
    /// # Errors
    ///
    /// What [`FrontEnd::validate`] finds.
    pub fn new(front_end: FrontEnd) -> Result<Self, FrontEndError> {
        front_end.validate()?;
        Ok(Self {
            front_end,
            rest: None,
            inputs: [[0; 2]; AXES],
            filters: [[BandPass::default(); MAX_BANDS]; AXES],
            negative: [false; AXES],
            hop: heapless::Vec::new(),
            window: Deque::new(),
            average: Sums::default(),
            averaged: 0,
        })
    }

    /// Returns the parameters.
    pub fn front_end(&self) -> &FrontEnd {
        &self.front_end
    }

    /// Goes on after lost samples: the window fills anew, from a new resting value; the running average stays.
    pub fn restart(&mut self) {
        self.rest = None;
        self.inputs = [[0; 2]; AXES];
        self.filters = [[BandPass::default(); MAX_BANDS]; AXES];
        self.negative = [false; AXES];
        self.hop = heapless::Vec::new();
        self.window = Deque::new();
    }

    /// Takes one sample at the model's rate; returns the hop that it completes, if any.
    pub fn push(&mut self, sample: Sample) -> Option<Hop> {
        // A hop is at most as long as there is room.
        let _ = self.hop.push(sample);
        if self.hop.len() < usize::from(self.front_end.hop_samples) {
            return None;
        }
        let sums = self.filter();
        self.hop.clear();
        if self.window.len() >= usize::from(self.front_end.window_hops)
            && let Some(left) = self.window.pop_front()
        {
            self.follow(&left);
        }
        // The window holds fewer than `window_hops` hops here, so this never fails.
        let _ = self.window.push_back(sums);
        let full = self.window.len() >= usize::from(self.front_end.window_hops);
        let ready = full && self.averaged >= u32::from(self.front_end.warm_up_hops);
        Some(Hop { ready, gate_q8: if ready { self.gate_q8() } else { 0 } })
    }

    /// Filters the samples of the hop, axis by axis and band by band: the filter bank is most of what a quiet node computes.
    fn filter(&mut self) -> Sums {
        let Self { front_end, hop, .. } = self;
        let mut sums = Sums::default();
        let Some(first) = hop.first() else { return sums };
        let rest = *self.rest.get_or_insert(*first);
        let length = hop.len();
        let (mut energies, mut all_bands) = ([0u64; HOP], [0i64; HOP]);
        let (mut moved, mut filtered) = ([0i32; HOP], [0i32; HOP]);
        let moved = moved.get_mut(..length).unwrap_or_default();
        let filtered = filtered.get_mut(..length).unwrap_or_default();
        let all_bands = all_bands.get_mut(..length).unwrap_or_default();
        let axes = self.inputs.iter_mut().zip(&mut self.filters).zip(&mut self.negative);
        for (axis, (((inputs, filters), negative), axis_energy)) in axes.zip(&mut sums.axes).enumerate() {
            for (to, sample) in moved.iter_mut().zip(&*hop) {
                let (value, rest) = (sample.get(axis).unwrap_or(&0), rest.get(axis).unwrap_or(&0));
                *to = value.saturating_sub(*rest).clamp(-SAMPLE_LIMIT, SAMPLE_LIMIT) << FRACTION_BITS;
            }
            all_bands.fill(0);
            for ((band, filter), band_energy) in front_end.bands.iter().zip(filters).zip(&mut sums.bands) {
                filtered.copy_from_slice(moved);
                filter.run(band, front_end.sections, filtered, *inputs);
                let mut energy = 0;
                for ((filtered, of_sample), all) in filtered.iter().zip(&mut energies).zip(&mut *all_bands) {
                    let squared = energy_of(*filtered);
                    energy += squared;
                    *of_sample += squared;
                    *all += i64::from(*filtered);
                }
                *band_energy += energy;
                *axis_energy += energy;
            }
            moved.iter().for_each(|value| remember(inputs, *value));
            for all in &*all_bands {
                if (*all < 0) != *negative {
                    *negative = !*negative;
                    sums.crossings += 1;
                }
            }
        }
        sums.peak = energies.into_iter().max().unwrap_or(0);
        sums
    }

    /// Adds a hop to the running average: the plain mean until it spans 2^`average_shift` hops.
    fn follow(&mut self, sums: &Sums) {
        let shift = self.front_end.average_shift;
        if self.averaged < 1 << shift {
            self.average.add(sums);
            self.averaged += 1;
        } else {
            self.average.decay_and_add(sums, shift);
        }
    }

    /// Log2 of the mean energy per sample of `sum` over `hops` hops, floor included, in Q8.
    fn level_q8(&self, sum: u64, hops: u64) -> i32 {
        let samples = hops * u64::from(self.front_end.hop_samples);
        log2_q8(sum / samples.max(1) + u64::from(self.front_end.floor_mgal2))
    }

    fn sum(&self, start: usize, hops: usize) -> Sums {
        let mut total = Sums::default();
        self.window.iter().skip(start).take(hops).for_each(|sums| total.add(sums));
        total
    }

    fn gate_q8(&self) -> i32 {
        let hops = self.front_end.gate.short_hops;
        let energy = |sums: &Sums| sums.bands.iter().fold(0u64, |sum, band| sum.saturating_add(*band));
        let newest = self.window.iter().rev().take(hops.into());
        self.level_q8(newest.fold(0, |sum: u64, hop| sum.saturating_add(energy(hop))), hops.into())
            - self.level_q8(energy(&self.average), self.averaged.into())
    }

    /// Writes the quantized features of the window that ends with the last completed hop and returns how many there are.
    ///
    /// In order: per segment, oldest first, for each band log2 of its mean energy over that of the running average, then
    /// the zero crossings per sample less those of the running average, times 32, then log2 of the peak over the mean
    /// energy, times 4 (knocks and steps have peaks); the level of the newest segment (log2 of mGal² less
    /// `level_center_q8`); log2 of the strongest axis' share of the energy, times 8, of the newest segment and of the
    /// window. Each is an i8, `zero_point + round(feature · 2^(8 − feature_shift))`, saturated.
    ///
    /// A slice shorter than [`FrontEnd::feature_count`] takes what fits.
    pub fn features(&self, output: &mut [i8]) -> usize {
        let mut slots = output.iter_mut();
        let mut written = 0;
        let mut put = |feature_q8: i32| {
            if let Some(slot) = slots.next() {
                *slot = self.quantize(feature_q8);
                written += 1;
            }
        };
        let total = |sums: &Sums| sums.axes.iter().fold(0u64, |sum, axis| sum.saturating_add(*axis));
        let bands = self.front_end.bands.len();
        let floor = u64::from(self.front_end.floor_mgal2);
        let hops = self.front_end.segment_hops();
        let mut newest = Sums::default();
        let mut whole = Sums::default();
        for segment in 0..usize::from(self.front_end.segments) {
            newest = self.sum(segment * hops, hops);
            whole.add(&newest);
            for (energy, average) in newest.bands.iter().zip(&self.average.bands).take(bands) {
                put(self.level_q8(*energy, hops as u64) - self.level_q8(*average, self.averaged.into()));
            }
            let crossings = self.crossings_q8(newest.crossings, hops as u64);
            put(crossings - self.crossings_q8(self.average.crossings, self.averaged.into()));
            put(4 * (log2_q8(newest.peak.saturating_add(floor)) - self.level_q8(total(&newest), hops as u64)));
        }
        put(self.level_q8(total(&newest), hops as u64) - i32::from(self.front_end.level_center_q8));
        for (sums, hops) in [(&newest, hops), (&whole, usize::from(self.front_end.window_hops))] {
            let strongest = sums.axes.iter().copied().max().unwrap_or(0);
            put(8 * (self.level_q8(strongest, hops as u64) - self.level_q8(total(sums), hops as u64)));
        }
        written
    }

    /// Zero crossings per sample and axis, times 32, in Q8.
    fn crossings_q8(&self, crossings: u64, hops: u64) -> i32 {
        let samples = hops * u64::from(self.front_end.hop_samples) * AXES as u64;
        // At most one crossing per sample and axis.
        (crossings.saturating_mul(32 * 256) / samples.max(1)).min(32 * 256) as i32
    }

    fn quantize(&self, feature_q8: i32) -> i8 {
        let shift = self.front_end.feature_shift;
        let steps = (feature_q8 + (1 << (shift - 1))) >> shift;
        (steps + i32::from(self.front_end.feature_zero_point)).clamp(i8::MIN.into(), i8::MAX.into()) as i8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front_end::{MAX_FEATURES, tests::example};
    use proptest::prelude::*;

    /// A reproducible noise of ±`amplitude` mGal.
    fn noise(state: &mut u32, amplitude: i32) -> i32 {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*state >> 8) as i32 % (2 * amplitude + 1) - amplitude
    }

    fn run(extractor: &mut FeatureExtractor, samples: impl IntoIterator<Item = Sample>) -> Vec<(Hop, Vec<i8>)> {
        let mut hops = Vec::new();
        for sample in samples {
            if let Some(hop) = extractor.push(sample) {
                let mut features = vec![0; MAX_FEATURES];
                let count = extractor.features(&mut features);
                features.truncate(count);
                hops.push((hop, features));
            }
        }
        hops
    }

    #[test]
    fn is_ready_after_window_and_warm_up() {
        let mut extractor = FeatureExtractor::new(example()).unwrap();
        let hops = run(&mut extractor, vec![[0, 0, 981_000]; 60 * 8]);
        assert_eq!(hops.len(), 60);
        for (index, (hop, features)) in hops.iter().enumerate() {
            assert_eq!(hop.ready, index + 1 >= 16 + 24, "hop {index}");
            assert_eq!(features.len(), example().feature_count());
        }
        // A resting sensor: gravity is gone, every ratio is 0, the level is that of the floor.
        let level = (log2_q8(1000) - 4608 + 16) >> 5;
        let mut expected = vec![0; 20];
        expected.push(level as i8);
        expected.extend([0, 0]);
        assert_eq!(hops[59].1, expected);
    }

    #[test]
    fn an_onset_shows_in_its_segment_and_its_axis() {
        let mut extractor = FeatureExtractor::new(example()).unwrap();
        let mut state = 1;
        let mut quiet = || [(); AXES].map(|()| noise(&mut state, 100));
        let hops = run(&mut extractor, (0..800).map(|_| quiet()));
        let (hop, features) = &hops[99];
        assert!(hop.ready && hop.gate_q8.abs() < 256);
        assert!(features[..20].iter().all(|feature| feature.abs() < 127), "{features:?}");
        // 100 times the amplitude on one axis for one segment: 13.3 octaves of energy.
        let mut state = 2;
        let loud = (0..32).map(|_| [noise(&mut state, 10_000), 0, 0]);
        let (hop, features) = run(&mut extractor, loud).pop().unwrap();
        assert!(hop.gate_q8 > 256 * 9);
        for segment in 0..4 {
            for feature in &features[segment * 5..segment * 5 + 3] {
                assert!(if segment == 3 { *feature > 60 } else { feature.abs() < 40 }, "{features:?}");
            }
        }
        assert!(features[21] > -8, "one axis has all the energy: {features:?}");
    }

    #[test]
    fn extremes_saturate() {
        let mut extractor = FeatureExtractor::new(example()).unwrap();
        let hops = run(
            &mut extractor,
            (0..4000).map(|n| if n / 4 % 2 == 0 { [i32::MAX, i32::MIN, 0] } else { [i32::MIN, i32::MAX, i32::MAX] }),
        );
        assert_eq!(hops.len(), 500);
        assert_eq!(hops[499].1[20], 127);
    }

    #[test]
    fn after_a_restart_the_window_fills_anew_and_the_average_stays() {
        let mut extractor = FeatureExtractor::new(example()).unwrap();
        let mut state = 1;
        let mut quiet = |rest: Sample| -> Vec<Sample> {
            (0..480).map(|_| rest.map(|rest| rest + noise(&mut state, 100))).collect()
        };
        run(&mut extractor, quiet([0, 0, 981_000]));
        extractor.restart();
        // The sensor lies elsewhere now, which is no energy.
        let hops = run(&mut extractor, quiet([600_000, 0, 776_000]));
        for (index, (hop, _)) in hops.iter().enumerate() {
            assert_eq!(hop.ready, index + 1 >= 16, "hop {index}");
            assert!(hop.gate_q8.abs() < 256);
        }
    }

    #[test]
    fn a_short_slice_takes_what_fits() {
        let mut extractor = FeatureExtractor::new(example()).unwrap();
        run(&mut extractor, vec![[0; AXES]; 400]);
        assert_eq!(extractor.features(&mut [0; 5]), 5);
        assert_eq!(extractor.features(&mut []), 0);
    }

    proptest! {
        #[test]
        fn no_signal_overflows(
            samples in proptest::collection::vec(proptest::array::uniform3(any::<i32>()), 1..800),
            hold in 1usize..20,
        ) {
            let mut extractor = FeatureExtractor::new(example()).unwrap();
            run(&mut extractor, samples.into_iter().flat_map(|sample| std::iter::repeat_n(sample, hold)));
        }
    }
}
