//! Parameters of the operators that normalize.

use super::Output;

/// Normalization of runs of values to mean 0 and variance 1, then a factor and a term for each.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm<'a> {
    /// Values are centred on their mean; otherwise on zero, and divided by their root mean square.
    pub center: bool,
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Even number of fraction bits of `epsilon`.
    pub variance_shift: u32,
    /// What is added to the square of the length times the variance, both in squares of the input scale.
    pub epsilon: u64,
    /// Factors over the output scale, `shift` - 22 fraction bits; one per value of a run.
    pub gamma: &'a [i32],
    /// Terms over the output scale, `shift` - `beta_shift` fraction bits.
    pub beta: &'a [i32],
    /// How far terms are shifted left.
    pub beta_shift: u32,
    /// Fraction bits of the sum.
    pub shift: u32,
    /// Output; its rounding does not matter.
    pub range: Output,
}

/// Runs of values divided by the root of the sum of their squares.
#[derive(Clone, Copy, Debug)]
pub struct L2Norm {
    /// Length of the last axis.
    pub length: usize,
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Output.
    pub range: Output,
}
