//! From the sensor's rate to the model's, exactly.

use core::fmt;

use heapless::Deque;

use crate::{AXES, SAMPLE_LIMIT, Sample};

/// A sample rate in samples per second, as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize), serde(deny_unknown_fields))]
pub struct Rate {
    /// Samples …
    pub numerator: u32,
    /// … in this many seconds.
    pub denominator: u32,
}

impl Rate {
    /// Returns the time of sample `index` after sample 0, in microseconds, rounded down.
    pub fn micros(self, index: u64) -> u64 {
        let product = u128::from(index) * u128::from(self.denominator) * 1_000_000;
        u64::try_from(product / u128::from(self.numerator.max(1))).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} Hz", self.numerator, self.denominator)
    }
}

/// Most input samples that one output draws on.
const MAX_TAPS: usize = 64;
/// Largest reduced numerator or denominator of the ratio of two rates: keeps every sum below 2⁶⁰.
const MAX_TERM: u64 = 1 << 14;

/// The two rates cannot be bridged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResampleError {
    /// Rate of the sensor.
    pub input: Rate,
    /// Rate of the model.
    pub output: Rate,
}

impl fmt::Display for ResampleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot resample from {} to {}: both must be positive, the input at most 20 times as fast, and their ratio \
             a fraction of numbers up to {MAX_TERM}; round the sensor's rate to such a fraction",
            self.input, self.output
        )
    }
}

impl core::error::Error for ResampleError {}

/// Resamples by a quadratic B-spline as wide as three periods of the slower rate.
///
/// With `p`/`q` = output rate / input rate in lowest terms, input `i` lies at `i·p` and output `k` at `k·q` on the
/// common grid, and `D = max(p, q)`. An output is `round(Σ w·x / Σ w)` over the inputs within 1.5 D, with the spline's
/// weights as integers (times 8 D²): `6D² − 8u²` where `2u ≤ D`, else `(3D − 2u)²`, for the distance `u`. Dividing by
/// the sum of the weights keeps a constant, such as gravity, exactly constant.
///
/// The response is sinc³ with zeros at the multiples of the slower rate. From 200 to 31.25 Hz what folds back into
/// 0–8 Hz is at least 30 dB down; the passband falls by 2.7 dB at 7.8 Hz, as with the sensors' own filters. Equal rates
/// pass samples through unchanged. Outputs lag by 1.5 periods of the slower rate.
///
/// Reference: M. Unser, "Splines: a perfect fit for signal and image processing", IEEE Signal Processing Magazine, 1999.
pub struct Resampler {
    /// Grid steps per input and per output.
    input_step: u64,
    output_step: u64,
    inputs: Deque<Sample, MAX_TAPS>,
    /// Grid distance from the next output to the newest input; negative while inputs are awaited.
    ahead: i64,
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Resampler {
    /// Returns a resampler from `input` to `output`.
    ///
    /// # Errors
    ///
    /// [`ResampleError`] where a rate is zero, the input is more than 20 times as fast, or the reduced ratio has a term
    /// above 16384.
    pub fn new(input: Rate, output: Rate) -> Result<Self, ResampleError> {
        let error = ResampleError { input, output };
        let p = u64::from(output.numerator) * u64::from(input.denominator);
        let q = u64::from(output.denominator) * u64::from(input.numerator);
        if p == 0 || q == 0 {
            return Err(error);
        }
        let divisor = gcd(p, q);
        let reduce = |term: u64| Some(term / divisor).filter(|term| *term <= MAX_TERM).ok_or(error);
        let (input_step, output_step) = (reduce(p)?, reduce(q)?);
        if output_step > 20 * input_step {
            return Err(error);
        }
        Ok(Self { input_step, output_step, inputs: Deque::new(), ahead: -(input_step as i64) })
    }

    /// Goes on after lost samples: the next one is the first again.
    pub fn restart(&mut self) {
        self.inputs = Deque::new();
        self.ahead = -(self.input_step as i64);
    }

    /// Takes one input sample and hands each output sample that it completes to `output`, in order.
    ///
    /// Output 0 lies at the time of input 0; the first outputs draw on the inputs there are.
    pub fn push(&mut self, sample: Sample, mut output: impl FnMut(Sample)) {
        let sample = sample.map(|value| value.clamp(-SAMPLE_LIMIT, SAMPLE_LIMIT));
        if self.input_step == self.output_step {
            output(sample);
            return;
        }
        if self.inputs.is_full() {
            self.inputs.pop_front();
        }
        // A place is free now, so this never fails.
        let _ = self.inputs.push_back(sample);
        self.ahead += self.input_step as i64;
        let width = self.input_step.max(self.output_step) as i64;
        // The next output is complete when no later input lies within its 1.5 widths.
        while 2 * (self.ahead + self.input_step as i64) >= 3 * width {
            output(self.evaluate(width));
            self.ahead -= self.output_step as i64;
        }
    }

    fn evaluate(&self, width: i64) -> Sample {
        let mut sums = [0i64; AXES];
        let mut total = 0i64;
        let mut distance = self.ahead;
        for sample in self.inputs.iter().rev() {
            let u = distance.abs();
            distance -= self.input_step as i64;
            let weight = match 2 * u {
                twice if twice <= width => 6 * width * width - 8 * u * u,
                twice if twice < 3 * width => (3 * width - twice) * (3 * width - twice),
                _ if distance < 0 => break,
                _ => continue,
            };
            total += weight;
            for (sum, value) in sums.iter_mut().zip(sample) {
                *sum += weight * i64::from(*value);
            }
        }
        // Round half up; an input always lies within half a width, so the total is positive.
        sums.map(|sum| (2 * sum + total).div_euclid((2 * total).max(1)) as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rate(numerator: u32, denominator: u32) -> Rate {
        Rate { numerator, denominator }
    }

    fn resample(input: Rate, output: Rate, samples: impl IntoIterator<Item = i32>) -> Vec<i32> {
        let mut resampler = Resampler::new(input, output).unwrap();
        let mut out = Vec::new();
        for value in samples {
            resampler.push([value, value.saturating_neg(), 7], |sample| {
                assert_eq!(sample[2], 7);
                out.push(sample[0]);
            });
        }
        out
    }

    fn gain(input: Rate, hz: f64) -> f64 {
        let fs = f64::from(input.numerator) / f64::from(input.denominator);
        let wave = (0..(40.0 * fs) as u32)
            .map(|n| (1e6 * (core::f64::consts::TAU * hz * f64::from(n) / fs).sin()).round() as i32);
        let out = resample(input, rate(125, 4), wave);
        f64::from(out[200..].iter().map(|v| v.abs()).max().unwrap()) / 1e6
    }

    #[test]
    fn equal_rates_pass_samples_unchanged() {
        let samples = [5, -3, 8_000_000, i32::MIN];
        assert_eq!(resample(rate(125, 4), rate(250, 8), samples), [5, -3, 8_000_000, -SAMPLE_LIMIT]);
    }

    #[test]
    fn keeps_the_band_and_damps_what_folds_back() {
        let fast = rate(200, 1);
        assert!(gain(fast, 1.0) > 0.98);
        assert!(gain(fast, 7.8) > 0.7);
        for hz in [24.0, 31.0, 40.0, 60.0, 90.0] {
            assert!(gain(fast, hz) < 0.032, "{hz} Hz: {}", gain(fast, hz));
        }
        assert!(gain(rate(10, 1), 1.0) > 0.95);
    }

    #[test]
    fn yields_the_right_number_of_samples() {
        for (input, seconds) in [(rate(200, 1), 60), (rate(100, 1), 60), (rate(10, 1), 60), (rate(104, 1), 60)] {
            let count = resample(input, rate(125, 4), vec![0; (input.numerator * seconds) as usize]).len();
            let expected = 125 * seconds as usize / 4;
            assert!(count <= expected && count + 6 >= expected, "{input}: {count} of {expected}");
        }
    }

    #[test]
    fn refuses_ratios_it_cannot_bridge() {
        for input in [rate(0, 1), rate(1, 0), rate(1000, 1), rate(100_003, 1000), rate(u32::MAX, 1)] {
            let error = Resampler::new(input, rate(125, 4)).err().unwrap();
            assert_eq!(error.input, input);
        }
        assert!(Resampler::new(rate(625, 1), rate(125, 4)).is_ok());
    }

    #[test]
    fn time_of_a_sample() {
        assert_eq!(rate(125, 4).micros(125), 4_000_000);
        assert_eq!(rate(u32::MAX, 1).micros(u64::from(u32::MAX)), 1_000_000);
        assert_eq!(rate(0, 1).micros(1), 1_000_000);
    }

    proptest! {
        #[test]
        fn keeps_constants_and_bounds(
            p in 1u32..400, q in 1u32..400, value in -SAMPLE_LIMIT..=SAMPLE_LIMIT,
            noise in proptest::collection::vec(-SAMPLE_LIMIT..=SAMPLE_LIMIT, 100..300),
        ) {
            let (input, output) = (rate(q, 7), rate(p, 7));
            prop_assume!(Resampler::new(input, output).is_ok());
            prop_assert!(resample(input, output, vec![value; 200]).iter().all(|out| *out == value));
            let (least, most) = (noise.iter().min().unwrap(), noise.iter().max().unwrap());
            prop_assert!(resample(input, output, noise.clone()).iter().all(|out| least <= out && out <= most));
        }
    }
}
