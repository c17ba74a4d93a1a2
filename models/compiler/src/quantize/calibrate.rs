//! Statistics of a float model's tensors over the calibration samples, and the ranges they give.

use super::network::Network;
use super::parallel::{each, each_mut};
use super::ranges::{Method, Range};
use super::samples::Samples;
use super::{Progress, Res};
use crate::error::{CompileError, CompileErrorKind};
use crate::float::{FloatModel, FloatPort};

/// Bins of a histogram.
const BINS: usize = 2048;
/// Samples that run together.
const BATCH: usize = 32;
/// Most elements that are kept from the first pass for the second: 128 MiB.
const KEPT: usize = 1 << 25;

/// What was seen of one tensor.
#[derive(Clone, Debug)]
pub(crate) struct Statistics {
    pub low: f32,
    pub high: f32,
    /// Counts between `low` and `high`, but for exact zeros, which no range rounds.
    pub bins: Vec<u64>,
    /// Zeros.
    pub zeros: u64,
    /// Mean over the samples of each element.
    pub mean: Vec<f32>,
}

/// What was seen of one tensor: in all samples, in the odd, and in the even ones.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    parts: [Statistics; 3],
    /// Largest magnitude of each element.
    pub peak: Vec<f32>,
}

impl Observed {
    /// Returns the statistics of all samples (0), of the odd (1) or of the even ones (2).
    pub(crate) fn part(&self, part: usize) -> &Statistics {
        let [all, odd, even] = &self.parts;
        [all, odd, even].get(part).copied().unwrap_or(all)
    }

    fn count(&mut self, sample: usize, values: &[f32]) {
        let [all, odd, even] = &mut self.parts;
        all.count(values);
        if sample % 2 == 1 { odd.count(values) } else { even.count(values) }
    }
}

/// Returns what is seen of `tensors`, in their order: limits and means first, then counts between the limits.
pub(crate) fn statistics(
    network: &Network,
    tensors: &[String],
    samples: &Samples,
    progress: &mut dyn FnMut(Progress),
) -> Res<Vec<Observed>> {
    let model = FloatModel::of_network(network, tensors)?;
    let own = model.model_outputs();
    let ports = model.outputs().get(own..).unwrap_or_default();
    let elements = ports.iter().map(FloatPort::elements).sum::<usize>().max(1);
    // What was computed for the limits serves for the counts too where it is not too much to keep.
    let keeps = samples.count().saturating_mul(elements) <= KEPT;
    let batch = (KEPT / elements).clamp(1, BATCH);
    let total = samples.count() * if keeps { 1 } else { 2 };
    let run = |first: usize| {
        each(batch.min(samples.count() - first), |i| {
            let mut outputs = model.run(&samples.sample(first + i))?;
            Ok(outputs.split_off(own.min(outputs.len())))
        })
    };
    let mut seen: Vec<Seen> = ports.iter().map(|port| Seen::new(port.elements())).collect();
    let mut kept = Vec::new();
    for first in (0..samples.count()).step_by(batch) {
        progress(Progress { stage: "calibrating", done: first, total });
        let outputs = run(first)?;
        each_mut(&mut seen, |n, seen| {
            for (sample, values) in
                outputs.iter().enumerate().filter_map(|(i, tensors)| Some((first + i, tensors.get(n)?)))
            {
                seen.add(sample, values).map_err(|value| {
                    CompileError::new(
                        CompileErrorKind::Unsupported,
                        format!("tensor '{}'", tensors.get(n).map_or("", String::as_str)),
                        format!("the float model gives {value} for calibration sample {sample}"),
                        "calibrate with inputs that the model was made for",
                    )
                })?;
            }
            Ok(())
        })?;
        if keeps {
            kept.push(outputs);
        }
    }
    let mut found: Vec<Observed> = seen.into_iter().map(|seen| seen.finish(samples.count())).collect();
    for (number, first) in (0..samples.count()).step_by(batch).enumerate() {
        let outputs = match kept.get_mut(number) {
            Some(outputs) => std::mem::take(outputs),
            None => {
                progress(Progress { stage: "calibrating", done: samples.count() + first, total });
                run(first)?
            }
        };
        each_mut(&mut found, |n, observed| {
            for (i, values) in outputs.iter().enumerate().filter_map(|(i, tensors)| Some((i, tensors.get(n)?))) {
                observed.count(first + i, values);
            }
            Ok(())
        })?;
    }
    progress(Progress { stage: "calibrating", done: total, total });
    Ok(found)
}

/// What was seen of one tensor before its limits are known.
struct Seen {
    /// Of the even and of the odd samples: limits, and the sum of each element.
    halves: [(f32, f32, Vec<f64>); 2],
    peak: Vec<f32>,
}

impl Seen {
    fn new(elements: usize) -> Self {
        Self { halves: [0, 1].map(|_| (0.0, 0.0, vec![0.0; elements])), peak: vec![0.0; elements] }
    }

    /// Adds a sample; gives back a value that is not finite.
    fn add(&mut self, sample: usize, values: &[f32]) -> Result<(), f32> {
        let (low, high, sums) = &mut self.halves[sample % 2];
        for ((&v, sum), peak) in values.iter().zip(sums).zip(&mut self.peak) {
            if !v.is_finite() {
                return Err(v);
            }
            *low = low.min(v);
            *high = high.max(v);
            *peak = peak.max(v.abs());
            *sum += f64::from(v);
        }
        Ok(())
    }

    fn finish(self, samples: usize) -> Observed {
        let [even, odd] = self.halves;
        let of = |low: f32, high: f32, sums: &mut dyn Iterator<Item = f64>, samples: usize| {
            let mean = sums.map(|sum| (sum / samples.max(1) as f64) as f32).collect();
            Statistics { low, high, bins: vec![0; BINS], zeros: 0, mean }
        };
        let mut sums = even.2.iter().zip(&odd.2).map(|(a, b)| a + b);
        let all = of(even.0.min(odd.0), even.1.max(odd.1), &mut sums, samples);
        let [even, odd] = [(even, samples.div_ceil(2)), (odd, samples / 2)]
            .map(|((low, high, sums), samples)| of(low, high, &mut sums.into_iter(), samples));
        Observed { parts: [all, odd, even], peak: self.peak }
    }
}

impl Statistics {
    fn count(&mut self, values: &[f32]) {
        let width = self.bin_width();
        let per_value = if width > 0.0 { 1.0 / width } else { 0.0 };
        for &v in values {
            if v == 0.0 {
                self.zeros += 1;
                continue;
            }
            let bin = (((v - self.low) * per_value) as usize).min(BINS - 1);
            if let Some(slot) = self.bins.get_mut(bin) {
                *slot += 1;
            }
        }
    }

    fn bin_width(&self) -> f32 {
        (self.high - self.low) / BINS as f32
    }

    /// Returns the range that `method` gives a tensor of `bits` bits.
    pub(crate) fn range(&self, method: Found, bits: u8) -> Range {
        let (low, high, method) = match method {
            Found::MinMax => (self.low, self.high, Method::MinMax),
            Found::Percentile(percent) => {
                let (low, high) = self.percentile(percent);
                (low, high, Method::Percentile)
            }
            Found::Mse => {
                let (low, high) = self.least_error(bits);
                (low, high, Method::Mse)
            }
        };
        Range { low, high, method, bits }
    }

    /// Returns the limits between which `percent` of the values lie, as many left out on either side.
    fn percentile(&self, percent: f64) -> (f32, f32) {
        let total = self.bins.iter().sum::<u64>() + self.zeros;
        let outside = (total as f64 * (100.0 - percent.clamp(50.0, 100.0)) / 200.0) as u64;
        let width = self.bin_width();
        let edge = |bins: &mut dyn Iterator<Item = &u64>| {
            let mut sum = 0;
            bins.take_while(|&&count| {
                sum += count;
                sum <= outside
            })
            .count() as f32
        };
        let low = self.low + width * edge(&mut self.bins.iter());
        let high = self.high - width * edge(&mut self.bins.iter().rev());
        (low.min(0.0), high.max(0.0))
    }

    /// Returns the limits with the least squared error of rounded values: both sides drawn in together first, then each.
    fn least_error(&self, bits: u8) -> (f32, f32) {
        const STEPS: u16 = 64;
        let mut best = (self.low, self.high);
        let mut least = self.squared_error(best.0, best.1, bits);
        let full = best;
        for i in 1..STEPS - 4 {
            let part = f32::from(STEPS - i) / f32::from(STEPS);
            let error = self.squared_error(full.0 * part, full.1 * part, bits);
            if error < least {
                (least, best) = (error, (full.0 * part, full.1 * part));
            }
        }
        for side in 0..2 {
            let from = best;
            for i in 1..STEPS - 4 {
                let part = f32::from(STEPS - i) / f32::from(STEPS);
                let tried = if side == 0 { (from.0 * part, from.1) } else { (from.0, from.1 * part) };
                let error = self.squared_error(tried.0, tried.1, bits);
                if error < least {
                    (least, best) = (error, tried);
                }
            }
        }
        best
    }

    /// Returns the squared error of the values rounded within `[low, high]`: a twelfth of a squared step each, more for
    /// those beyond.
    fn squared_error(&self, low: f32, high: f32, bits: u8) -> f64 {
        let step = f64::from(high - low) / (f64::from(bits).exp2() - 1.0);
        let within = step * step / 12.0;
        let width = f64::from(self.bin_width());
        let mut sum = 0.0;
        for (i, &count) in self.bins.iter().enumerate().filter(|(_, count)| **count > 0) {
            let value = f64::from(self.low) + (i as f64 + 0.5) * width;
            let beyond = (value - f64::from(high)).max(f64::from(low) - value).max(0.0);
            sum += count as f64 * if beyond > 0.0 { beyond * beyond } else { within };
        }
        sum
    }
}

/// A way to find a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Found {
    MinMax,
    Percentile(f64),
    Mse,
}
