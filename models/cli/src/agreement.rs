//! How far a quantized model is from its float model: what `quantize` and `validate` say of it.

use std::fmt::Write as _;

use serde::Serialize;
use tanbo_compiler::quantize::report::{Accuracy, Proportion, Report, TensorError};

use crate::output::{grouped, table};

/// Most disagreeing samples that are listed.
const LISTED: usize = 20;

/// A report as it is printed.
#[derive(Clone, Debug, Serialize)]
pub struct Agreement {
    /// Samples compared.
    pub samples: usize,
    /// Outputs in model order.
    pub outputs: Vec<Tensor>,
    /// Samples with the float model's class; null where the first output is no class.
    pub agreement: Option<Share>,
    /// Samples with another class.
    pub disagreements: Option<Disagreements>,
    /// Against the labels; null without any.
    pub accuracy: Option<BeforeAndAfter>,
}

/// One tensor against the float model's.
#[derive(Clone, Debug, Serialize)]
pub struct Tensor {
    /// Name in the float model.
    pub name: String,
    /// The node that computes it.
    pub node: String,
    /// Elements of one sample.
    pub elements: usize,
    /// 10 log10 of the float signal's energy over the error's, dB, over all samples; null where there is no error.
    pub sqnr_db: Option<f64>,
    /// Cosine of the angle between both.
    pub cosine: f64,
    /// Largest difference of an element.
    pub max_error: f64,
    /// Root mean square of the float signal.
    pub rms: f64,
}

/// A share of the samples with its interval.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Share {
    pub count: usize,
    pub of: usize,
    pub share: f64,
    /// 95 % interval (Wilson).
    pub low: f64,
    pub high: f64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Disagreements {
    pub count: usize,
    /// The first of them, from 0.
    pub samples: Vec<usize>,
}

/// Accuracy of the float model and of the quantized one on the same samples.
#[derive(Clone, Debug, Serialize)]
pub struct BeforeAndAfter {
    pub float: Share,
    pub quantized: Share,
    /// Samples that only the float model gets right, and only the quantized one.
    pub float_only: usize,
    pub quantized_only: usize,
    /// Quantized minus float, with its 95 % interval for paired samples.
    pub difference: f64,
    pub low: f64,
    pub high: f64,
    /// McNemar's exact test, two-sided: how likely so uneven a split is if neither is better.
    pub p_value: f64,
}

impl Agreement {
    /// Returns what a report says.
    pub fn of(report: &Report) -> Self {
        let disagreements = report.agreement.as_ref().map(|_| Disagreements {
            count: report.disagreeing.len(),
            samples: report.disagreeing.iter().copied().take(LISTED).collect(),
        });
        Self {
            samples: report.samples,
            outputs: report.outputs.iter().map(Tensor::of).collect(),
            agreement: report.agreement.as_ref().map(Share::of),
            disagreements,
            accuracy: report.accuracy.as_ref().map(BeforeAndAfter::of),
        }
    }

    /// Returns it for people.
    pub fn table(&self) -> String {
        let mut rows = vec![["output", "SQNR dB", "cosine", "max error", "RMS"].map(String::from).to_vec()];
        rows.extend(self.outputs.iter().map(|output| [vec![output.name.clone()], output.cells()].concat()));
        let mut text = table(&rows);
        if let Some(share) = &self.agreement {
            let _ = writeln!(text, "class      as the float model's in {}", share.text());
        }
        if let Some(Disagreements { count, samples }) = &self.disagreements
            && *count > 0
        {
            let listed: Vec<String> = samples.iter().map(usize::to_string).collect();
            let more = if *count > listed.len() { ", ..." } else { "" };
            let _ = writeln!(text, "           other in {}{more}", listed.join(", "));
        }
        if let Some(accuracy) = &self.accuracy {
            let BeforeAndAfter { float, quantized, float_only, quantized_only, difference, low, high, p_value } =
                accuracy;
            let [difference, low, high] = [difference, low, high].map(|share| 100.0 * share);
            let _ = writeln!(
                text,
                "accuracy   float     {}\n           quantized {}\n           difference {difference:+.2} % \
                 (95 %: {low:+.2} to {high:+.2}); {float_only} right in float only, {quantized_only} quantized only, \
                 p = {p_value:.3}",
                float.text(),
                quantized.text(),
            );
        }
        text
    }
}

impl Tensor {
    /// Returns what a report says of a tensor.
    pub fn of(error: &TensorError) -> Self {
        Self {
            name: error.name.clone(),
            node: error.producer.clone(),
            elements: error.elements,
            sqnr_db: Some(error.sqnr_db).filter(|db| db.is_finite()),
            cosine: error.cosine,
            max_error: error.max_abs,
            rms: error.signal_rms,
        }
    }

    /// Returns SQNR, cosine, largest error and RMS for a table.
    pub fn cells(&self) -> Vec<String> {
        let ratio = self.sqnr_db.map_or("equal".into(), |db| format!("{db:.1}"));
        vec![ratio, format!("{:.6}", self.cosine), significant(self.max_error), significant(self.rms)]
    }
}

impl Share {
    /// Returns a proportion.
    pub fn of(proportion: &Proportion) -> Self {
        let Proportion { successes, total, low, high } = *proportion;
        Self { count: successes, of: total, share: successes as f64 / total.max(1) as f64, low, high }
    }

    /// Returns `990 of 1,000 = 99.0 % (95 %: 98.2 to 99.5)`.
    pub fn text(&self) -> String {
        let [share, low, high] = [self.share, self.low, self.high].map(|share| 100.0 * share);
        let (count, of) = (grouped(self.count as u64), grouped(self.of as u64));
        format!("{count} of {of} = {share:.2} % (95 %: {low:.2} to {high:.2})")
    }
}

impl BeforeAndAfter {
    fn of(accuracy: &Accuracy) -> Self {
        Self {
            float: Share::of(&accuracy.float),
            quantized: Share::of(&accuracy.quantized),
            float_only: accuracy.float_only,
            quantized_only: accuracy.quantized_only,
            difference: accuracy.difference,
            low: accuracy.low,
            high: accuracy.high,
            p_value: accuracy.p_value,
        }
    }
}

/// Returns a number with four significant digits.
pub fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let digits = 3 - value.abs().log10().floor() as i32;
    if (0..=9).contains(&digits) { format!("{value:.*}", digits as usize) } else { format!("{value:.3e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_four_digits() {
        let texts = [0.0, 1.0, 12.3456, 1234.4, 0.000_123_46, -3.0, 1e-12, 123_456.0].map(significant);
        assert_eq!(texts, ["0", "1.000", "12.35", "1234", "0.0001235", "-3.000", "1.000e-12", "1.235e5"]);
    }
}
