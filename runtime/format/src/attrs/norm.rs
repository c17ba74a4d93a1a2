//! Attributes of the operators that normalize.

use super::Range;

/// Attributes of `layer_norm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerNorm {
    /// 1: values are centred on their mean.
    pub center: i32,
    /// Zero points and bounds.
    pub range: Range,
    /// Fraction bits of `epsilon`.
    pub variance_shift: i32,
    /// Upper and lower 31 bits of what is added to the variance.
    pub epsilon: [i32; 2],
    /// How far terms are shifted left.
    pub beta_shift: i32,
    /// Fraction bits of the sum.
    pub shift: i32,
}

impl LayerNorm {
    /// Decodes `layer_norm`.
    pub fn from_words(words: &[i32]) -> Option<Self> {
        let &[center, xz, yz, variance_shift, high_bits, low_bits, beta_shift, shift, low, high] =
            <&[i32; 10]>::try_from(words).ok()?;
        Some(Self {
            center,
            range: Range { input_zero_point: xz, output_zero_point: yz, low, high },
            variance_shift,
            epsilon: [high_bits, low_bits],
            beta_shift,
            shift,
        })
    }

    /// Returns what is added to the variance, if both its words are not negative.
    pub fn epsilon(&self) -> Option<u64> {
        let [high, low] = self.epsilon.map(|word| u32::try_from(word).ok());
        Some(u64::from(high?) << 31 | u64::from(low?))
    }
}
