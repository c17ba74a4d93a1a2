//! Errors of tensors, and proportions with their confidence intervals.

/// The normal quantile of 97.5 %: intervals are of 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// Sums over pairs of a reference value and what stands for it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ErrorSums {
    elements: usize,
    signal: f64,
    other: f64,
    product: f64,
    noise: f64,
    max_abs: f64,
}

impl ErrorSums {
    pub(crate) fn add(&mut self, reference: &[f32], values: &[f32]) {
        for (&x, &y) in reference.iter().zip(values) {
            let (x, y) = (f64::from(x), f64::from(y));
            let error = x - y;
            self.elements += 1;
            self.signal += x * x;
            self.other += y * y;
            self.product += x * y;
            self.noise += error * error;
            self.max_abs = self.max_abs.max(error.abs());
        }
    }

    /// Returns the sums over one pair of tensors.
    pub(crate) fn of(reference: &[f32], values: &[f32]) -> Self {
        let mut sums = Self::default();
        sums.add(reference, values);
        sums
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.elements += other.elements;
        self.signal += other.signal;
        self.other += other.other;
        self.product += other.product;
        self.noise += other.noise;
        self.max_abs = self.max_abs.max(other.max_abs);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.elements == 0
    }

    /// Signal over noise in dB; infinite where nothing differs.
    pub(crate) fn sqnr_db(&self) -> f64 {
        if self.noise == 0.0 { f64::INFINITY } else { 10.0 * (self.signal / self.noise).log10() }
    }

    pub(crate) fn cosine(&self) -> f64 {
        let lengths = (self.signal * self.other).sqrt();
        if lengths > 0.0 { self.product / lengths } else { f64::from(u8::from(self.noise == 0.0)) }
    }

    pub(crate) fn max_abs(&self) -> f64 {
        self.max_abs
    }

    pub(crate) fn signal_rms(&self) -> f64 {
        (self.signal / self.elements.max(1) as f64).sqrt()
    }
}

/// A share of samples with its 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proportion {
    /// Samples of which it is true.
    pub successes: usize,
    /// All samples.
    pub total: usize,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Proportion {
    /// Returns the share with Wilson's score interval (E. B. Wilson, "Probable inference, the law of succession, and
    /// statistical inference", 1927).
    pub fn wilson(successes: usize, total: usize) -> Self {
        let n = total as f64;
        if total == 0 {
            return Self { successes, total, low: 0.0, high: 1.0 };
        }
        let p = successes as f64 / n;
        let z2 = Z * Z;
        let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
        let low = if successes == 0 { 0.0 } else { (centre - half).max(0.0) };
        let high = if successes == total { 1.0 } else { (centre + half).min(1.0) };
        Self { successes, total, low, high }
    }

    /// Returns the share itself; 0 of no samples.
    pub fn share(&self) -> f64 {
        if self.total == 0 { 0.0 } else { self.successes as f64 / self.total as f64 }
    }
}

/// Accuracy of the float and of the quantized model on the same labelled samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accuracy {
    /// Of the float model; Wilson's interval.
    pub float: Proportion,
    /// Of the quantized model; Wilson's interval.
    pub quantized: Proportion,
    /// Samples that the float model alone has right.
    pub float_only: usize,
    /// Samples that the quantized model alone has right.
    pub quantized_only: usize,
    /// Accuracy of the quantized model less that of the float one.
    pub difference: f64,
    /// Lower end of the 95 % interval of the difference: method 10 for pairs of R. G. Newcombe, "Interval estimation for
    /// the difference between independent proportions" and its companion on paired data, Statistics in Medicine 17
    /// (1998), page 2635. It keeps a width where no sample differs.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Two-sided exact McNemar test that the two are equally accurate.
    pub p_value: f64,
}

impl Accuracy {
    /// Returns the accuracies for which of the samples each model has right.
    pub(crate) fn of(right: &[(bool, bool)]) -> Self {
        let count = |f: fn(&(bool, bool)) -> bool| right.iter().filter(|r| f(r)).count();
        let total = right.len();
        let (float, quantized) = (count(|r| r.0), count(|r| r.1));
        let (float_only, quantized_only) = (count(|r| r.0 && !r.1), count(|r| !r.0 && r.1));
        let both = count(|r| r.0 && r.1);
        let (float, quantized) = (Proportion::wilson(float, total), Proportion::wilson(quantized, total));
        let (difference, low, high) = paired(&quantized, &float, both);
        let differing = float_only + quantized_only;
        let tail = binomial_at_most(float_only.min(quantized_only), differing);
        Self {
            float,
            quantized,
            float_only,
            quantized_only,
            difference,
            low,
            high,
            p_value: if differing == 0 { 1.0 } else { (2.0 * tail).min(1.0) },
        }
    }
}

/// Returns the difference of two shares of the same samples, of which `both` count in either, with its 95 % interval.
fn paired(one: &Proportion, two: &Proportion, both: usize) -> (f64, f64, f64) {
    let (total, both) = (one.total as f64, both as f64);
    let (only_one, only_two) = (one.successes as f64 - both, two.successes as f64 - both);
    let neither = total - both - only_one - only_two;
    let margins = (both + only_one) * (only_two + neither) * (both + only_two) * (only_one + neither);
    // Correlation of the pairs, corrected for continuity where it is positive.
    let excess = match both * neither - only_one * only_two {
        excess if excess >= 0.0 => (excess - total / 2.0).max(0.0),
        excess => excess,
    };
    let correlation = if margins > 0.0 { excess / margins.sqrt() } else { 0.0 };
    let reach = |a: f64, b: f64| (a * a - 2.0 * correlation * a * b + b * b).max(0.0).sqrt();
    let difference = one.share() - two.share();
    let below = reach(one.share() - one.low, two.high - two.share());
    let above = reach(one.high - one.share(), two.share() - two.low);
    (difference, (difference - below).max(-1.0), (difference + above).min(1.0))
}

/// Returns the chance of at most `k` heads in `n` throws of a coin.
fn binomial_at_most(k: usize, n: usize) -> f64 {
    // Terms as logarithms: 2^-n underflows from 1,075 on.
    let mut term = -(n as f64) * std::f64::consts::LN_2;
    let mut sum = 0.0;
    for taken in 0..=k.min(n) {
        sum += term.exp();
        term += ((n - taken) as f64 / (taken + 1) as f64).ln();
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of R: `prop.test(8, 10, correct = FALSE)`.
    #[test]
    fn intervals_are_those_of_the_textbooks() {
        let wilson = Proportion::wilson(8, 10);
        assert!((wilson.low - 0.490_162).abs() < 1e-5 && (wilson.high - 0.943_318).abs() < 1e-5, "{wilson:?}");
        let none = Proportion::wilson(0, 20);
        assert!(none.low == 0.0 && (none.high - 0.161_125).abs() < 1e-5, "{none:?}");
    }

    #[test]
    fn paired_samples_are_compared_where_they_differ() {
        let mut right = vec![(true, true); 90];
        right.extend([(true, false); 7]);
        right.extend([(false, true); 2]);
        right.push((false, false));
        let accuracy = Accuracy::of(&right);
        assert_eq!((accuracy.float_only, accuracy.quantized_only), (7, 2));
        assert!((accuracy.difference + 0.05).abs() < 1e-12);
        // Twice the chance of at most 2 of 9 heads: 2 * 46 / 512.
        assert!((accuracy.p_value - 92.0 / 512.0).abs() < 1e-9, "{}", accuracy.p_value);
        assert!(accuracy.low < accuracy.difference && accuracy.difference < accuracy.high);
        let same = Accuracy::of(&[(true, true), (false, false)]);
        assert_eq!((same.difference, same.p_value), (0.0, 1.0));
        // Two samples that do not differ prove nothing.
        assert!(same.low < -0.3 && same.high > 0.3, "{same:?}");
    }

    /// The formula worked out in Python. Counts: both, one, other, neither.
    #[test]
    fn the_paired_interval_is_newcombe_s() {
        for (counts, low, high) in [
            ([36, 12, 2, 0], 0.056_930, 0.340_428),
            ([20, 12, 2, 16], 0.056_156, 0.329_207),
            ([0, 0, 0, 50], -0.071_348, 0.071_348),
            ([18, 2, 0, 30], -0.026_882, 0.106_685),
        ] {
            let [both, one, other, neither] = counts;
            let kinds = [(true, true), (false, true), (true, false), (false, false)];
            let right: Vec<(bool, bool)> =
                kinds.into_iter().zip([both, one, other, neither]).flat_map(|(k, n)| vec![k; n]).collect();
            let accuracy = Accuracy::of(&right);
            assert!(
                (accuracy.low - low).abs() < 1e-6 && (accuracy.high - high).abs() < 1e-6,
                "{counts:?} {accuracy:?}"
            );
        }
        // Far beyond where 2^-n is a number.
        let p = 2.0 * binomial_at_most(1_000, 2_100);
        assert!(p > 0.025 && p < 0.035, "{p}");
    }
}
