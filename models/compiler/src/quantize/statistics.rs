//! Errors of tensors, and proportions with their confidence intervals.

/// How sure an interval is: 95 %.
const LEVEL: f64 = 0.95;
/// The normal quantile of 97.5 %.
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
    /// Lower end of the 95 % interval of the difference: the exact (Clopper-Pearson) interval of the share of
    /// `quantized_only` among the samples on which the two differ, their number taken as given.
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
        let differing = float_only + quantized_only;
        let (low, high) = clopper_pearson(quantized_only, differing);
        let scale = differing as f64 / total.max(1) as f64;
        let tail = binomial_at_most(float_only.min(quantized_only), differing, 0.5);
        Self {
            float: Proportion::wilson(float, total),
            quantized: Proportion::wilson(quantized, total),
            float_only,
            quantized_only,
            difference: (quantized as f64 - float as f64) / total.max(1) as f64,
            low: (2.0 * low - 1.0) * scale,
            high: (2.0 * high - 1.0) * scale,
            p_value: if differing == 0 { 1.0 } else { (2.0 * tail).min(1.0) },
        }
    }
}

/// Returns the exact 95 % interval of a binomial share (Clopper and Pearson, 1934).
fn clopper_pearson(successes: usize, total: usize) -> (f64, f64) {
    let tail = (1.0 - LEVEL) / 2.0;
    // Both tails are monotone in p.
    let solve = |above: &dyn Fn(f64) -> bool| {
        let (mut low, mut high) = (0.0f64, 1.0f64);
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            if above(middle) { high = middle } else { low = middle }
        }
        (low + high) / 2.0
    };
    let low = match successes.checked_sub(1) {
        None => 0.0,
        Some(fewer) => solve(&|p| 1.0 - binomial_at_most(fewer, total, p) > tail),
    };
    let high = if successes >= total { 1.0 } else { solve(&|p| binomial_at_most(successes, total, p) < tail) };
    (low, high)
}

/// Returns the chance of at most `k` successes in `n` trials.
fn binomial_at_most(k: usize, n: usize, p: f64) -> f64 {
    if k >= n || p <= 0.0 {
        return 1.0;
    }
    if p >= 1.0 {
        return 0.0;
    }
    let lgamma = |x: usize| libm::lgamma(x as f64 + 1.0);
    let log_of = |i: usize| lgamma(n) - lgamma(i) - lgamma(n - i) + i as f64 * p.ln() + (n - i) as f64 * (1.0 - p).ln();
    (0..=k).map(|i| log_of(i).exp()).sum::<f64>().min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of R: `prop.test(8, 10, correct = FALSE)`, `binom.test(1, 10)`, `binom.test(2, 9)`.
    #[test]
    fn intervals_are_those_of_the_textbooks() {
        let wilson = Proportion::wilson(8, 10);
        assert!((wilson.low - 0.490_162).abs() < 1e-5 && (wilson.high - 0.943_318).abs() < 1e-5, "{wilson:?}");
        let (low, high) = clopper_pearson(1, 10);
        assert!((low - 0.002_529).abs() < 1e-5 && (high - 0.445_016).abs() < 1e-5, "{low} {high}");
        assert_eq!(clopper_pearson(0, 0), (0.0, 1.0));
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
        assert!(accuracy.low >= -0.09 && accuracy.high <= 0.09);
        let same = Accuracy::of(&[(true, true), (false, false)]);
        assert_eq!((same.difference, same.low, same.high, same.p_value), (0.0, 0.0, 0.0, 1.0));
    }
}
