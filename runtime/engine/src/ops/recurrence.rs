//! What `lstm` and `gru` have in common: sizes and weighted sums.

use tanbo_format::{Constant, attrs};
use tanbo_kernels::{Gates, Sequence};

use super::Records;

/// A type of biases, with the constants that hold it.
pub(super) trait Bias: Copy {
    fn values(constant: Constant<'_>) -> Option<&[Self]>;
}

impl Bias for i32 {
    fn values(constant: Constant<'_>) -> Option<&[i32]> {
        constant.i32()
    }
}

impl Bias for i64 {
    fn values(constant: Constant<'_>) -> Option<&[i64]> {
        constant.i64()
    }
}

impl<'m> Records<'_, 'm> {
    /// Returns the sizes of a recurrent step.
    pub(super) fn sequence(&self, attributes: &attrs::Recurrence) -> Option<Sequence> {
        let (x, y) = (self.input(0)?, self.output()?);
        let (&[x0, x1, inputs], &[_, _, units]) = (x.shape, y.shape) else { return None };
        let time_major = attributes.time_major != 0;
        let (steps, batch) = if time_major { (x0, x1) } else { (x1, x0) };
        Some(Sequence {
            steps: steps as usize,
            batch: batch as usize,
            inputs: inputs as usize,
            units: units as usize,
            time_major,
            reverse: attributes.reverse != 0,
        })
    }

    /// Returns the weighted sums of a recurrent step; its multipliers are the constants from `first` on.
    pub(super) fn gates<B: Bias>(&self, attributes: &attrs::Recurrence, first: usize) -> Option<Gates<'m, B>> {
        Some(Gates {
            input_zero_point: attributes.input_zero_point,
            hidden_zero_point: attributes.hidden_zero_point,
            input_weights: self.constant(0)?.i8()?,
            recurrent_weights: self.constant(1)?.i8()?,
            bias: B::values(self.constant(2)?)?,
            input_multipliers: self.multipliers(first)?,
            recurrent_multipliers: self.multipliers(first + 2)?,
            rounding: self.step.rounding,
        })
    }
}
