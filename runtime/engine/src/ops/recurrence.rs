//! What `lstm` and `gru` have in common: sizes, weighted sums, and states that start anew.

use tanbo_format::{Constant, attrs};
use tanbo_kernels::{Gates, Sequence};

use super::{Call, start_state};

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

impl<'m> Call<'_, 'm> {
    /// Gives the states their first content, if the step does not keep them.
    pub fn begin(&mut self, attributes: &attrs::Recurrence) -> Option<()> {
        if attributes.keep == 0 {
            for &state in self.step.states {
                start_state(self.model, self.model.tensor(state)?.storage, self.arena);
            }
        }
        Some(())
    }

    /// Returns the sizes of a recurrent step.
    pub fn sequence(&self, attributes: &attrs::Recurrence) -> Option<Sequence> {
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
            input_weights: self.step.constant(0)?.i8()?,
            recurrent_weights: self.step.constant(1)?.i8()?,
            bias: B::values(self.step.constant(2)?)?,
            input_multipliers: self.multipliers(first)?,
            recurrent_multipliers: self.multipliers(first + 2)?,
            rounding: self.step.rounding,
        })
    }
}
