//! Statistics of a float model's tensors over the calibration samples, and the ranges they give.

use super::Res;
use super::network::Network;
use super::ranges::{Method, Range};
use super::samples::Samples;
use crate::error::{CompileError, CompileErrorKind};
use crate::float::FloatModel;

/// Bins of a histogram.
const BINS: usize = 2048;

/// What was seen of one tensor.
#[derive(Clone, Debug)]
pub(crate) struct Statistics {
    pub low: f32,
    pub high: f32,
    /// Counts between `low` and `high`.
    pub bins: Vec<u64>,
    /// Mean over the samples of each element.
    pub mean: Vec<f32>,
}

/// Returns the statistics of `tensors`, in their order: one pass for the limits, one for the rest.
pub(crate) fn statistics(network: &Network, tensors: &[String], samples: &Samples) -> Res<Vec<Statistics>> {
    let model = FloatModel::of_network(network, tensors)?;
    let first = model.model_outputs();
    let mut found: Vec<Statistics> = model
        .outputs()
        .iter()
        .skip(first)
        .map(|port| Statistics { low: 0.0, high: 0.0, bins: vec![0; BINS], mean: vec![0.0; port.elements()] })
        .collect();
    let mut sums: Vec<Vec<f64>> = found.iter().map(|s| vec![0.0; s.mean.len()]).collect();
    for i in 0..samples.count() {
        let outputs = model.run(&samples.sample(i))?;
        for (((values, found), sums), name) in outputs.iter().skip(first).zip(&mut found).zip(&mut sums).zip(tensors) {
            for (&v, sum) in values.iter().zip(sums.iter_mut()) {
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
            let bin = (((v - self.low) * per_value) as usize).min(BINS - 1);
            if let Some(slot) = self.bins.get_mut(bin) {
                *slot += 1;
            }
        }
    }

    fn bin_width(&self) -> f32 {
        (self.high - self.low) / BINS as f32
    }

    /// Returns the least and greatest value.
    pub(crate) fn min_max(&self) -> Range {
        Range { low: self.low, high: self.high, method: Method::MinMax, bits: 8 }
    }
}
