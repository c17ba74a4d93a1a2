//! Statistics of a float model's tensors over the calibration samples, and the ranges they give.

use super::network::Network;
use super::ranges::{Method, Range};
use super::samples::Samples;
use super::{Progress, Res};
use crate::error::{CompileError, CompileErrorKind};
use crate::float::FloatModel;

/// Bins of a histogram.
const BINS: usize = 2048;

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
    /// Largest magnitude of each element.
    pub peak: Vec<f32>,
}

/// Returns the statistics of `tensors`, in their order: one pass for the limits, one for the rest.
pub(crate) fn statistics(
    network: &Network,
    tensors: &[String],
    samples: &Samples,
    progress: &mut dyn FnMut(Progress),
) -> Res<Vec<Statistics>> {
    let model = FloatModel::of_network(network, tensors)?;
    let first = model.model_outputs();
    let mut found: Vec<Statistics> = model
        .outputs()
        .iter()
        .skip(first)
        .map(|port| Statistics {
            low: 0.0,
            high: 0.0,
            bins: vec![0; BINS],
            zeros: 0,
            mean: vec![0.0; port.elements()],
            peak: vec![0.0; port.elements()],
        })
        .collect();
    let mut sums: Vec<Vec<f64>> = found.iter().map(|s| vec![0.0; s.mean.len()]).collect();
    let total = 2 * samples.count();
    for i in 0..samples.count() {
        progress(Progress { stage: "calibrating", done: i, total });
        let outputs = model.run(&samples.sample(i))?;
        for (((values, found), sums), name) in outputs.iter().skip(first).zip(&mut found).zip(&mut sums).zip(tensors) {
            for ((&v, sum), peak) in values.iter().zip(sums.iter_mut()).zip(&mut found.peak) {
                if !v.is_finite() {
                    return Err(CompileError::new(
                        CompileErrorKind::Unsupported,
                        format!("tensor '{name}'"),
                        format!("the float model gives {v} for calibration sample {i}"),
                        "calibrate with inputs that the model was made for",
                    ));
                }
                found.low = found.low.min(v);
                found.high = found.high.max(v);
                *peak = peak.max(v.abs());
                *sum += f64::from(v);
            }
        }
    }
    for (found, sums) in found.iter_mut().zip(&sums) {
        for (mean, sum) in found.mean.iter_mut().zip(sums) {
            *mean = (sum / samples.count().max(1) as f64) as f32;
        }
    }
    for i in 0..samples.count() {
        progress(Progress { stage: "calibrating", done: samples.count() + i + 1, total });
        let outputs = model.run(&samples.sample(i))?;
        for (values, found) in outputs.iter().skip(first).zip(&mut found) {
            found.count(values);
        }
    }
    Ok(found)
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
