//! `lstm`, and what it shares with the other recurrent operators.

use tanbo_format::Op;
use tanbo_format::emit::ConstData;

use super::{Context, Lowered, multiplier_constants};
use crate::error::{CompileError, CompileErrorKind};
use crate::graph::Recurrence;

/// One step of Q3.12, in which the gates' weighted sums are.
const SUM: f64 = 1.0 / 4096.0;
/// One step of Q0.15, in which the gates are.
pub(super) const GATE: f64 = 1.0 / 32768.0;

pub(super) fn lower(context: &Context<'_>, weights: &Recurrence, cell_clip: i32) -> Result<Lowered, CompileError> {
    let bias = context.narrow(&weights.bias)?;
    Ok(Lowered {
        op: Op::Lstm,
        attrs: attrs(context, weights, cell_clip)?,
        consts: context.recurrence(weights, vec![ConstData::I32(bias)])?,
    })
}

/// Returns the attribute words.
pub(super) fn attrs(context: &Context<'_>, weights: &Recurrence, cell_clip: i32) -> Result<Vec<i32>, CompileError> {
    let (cell, y) = (f64::from(context.state(1)?.scale), f64::from(context.output()?.scale));
    let bits = -cell.log2();
    if bits != bits.round() || !(0.0..=15.0).contains(&bits) {
        return Err(context.error(
            CompileErrorKind::Unsupported,
            format!("the scale of its cell state is {cell}, no power of two from 2^-15 to 1"),
            "quantize the cell state with a power of two",
        ));
    }
    let factors = [GATE * cell / cell, GATE * GATE / cell, GATE * GATE / y];
    let mut words = context.recurrence_words(weights)?;
    for factor in factors {
        let multiplier = context.multiplier(factor)?;
        words.extend([multiplier.mantissa, multiplier.shift]);
    }
    words.extend([bits as i32, cell_clip]);
    Ok(words)
}

impl Context<'_> {
    /// Returns flags and zero points of a recurrent step.
    pub(super) fn recurrence_words(&self, weights: &Recurrence) -> Result<Vec<i32>, CompileError> {
        let flags = [weights.time_major, weights.reverse, weights.keep].map(i32::from);
        Ok([&flags[..], &[self.input(0)?.zero_point, self.output()?.zero_point]].concat())
    }

    /// Returns the constants of a recurrent step, its biases given.
    pub(super) fn recurrence(
        &self,
        weights: &Recurrence,
        biases: Vec<ConstData>,
    ) -> Result<Vec<ConstData>, CompileError> {
        let mut consts =
            vec![ConstData::I8(weights.input_weights.clone()), ConstData::I8(weights.recurrent_weights.clone())];
        consts.extend(biases);
        for (scale, weight_scales) in
            [(self.input(0)?.scale, &weights.input_scales), (self.output()?.scale, &weights.recurrent_scales)]
        {
            let factors = weight_scales.iter().map(|&weight| f64::from(scale) * f64::from(weight) / SUM);
            let multipliers = factors.map(|factor| self.multiplier(factor)).collect::<Result<Vec<_>, _>>()?;
            consts.extend(multiplier_constants(&multipliers));
        }
        Ok(consts)
    }

    /// Returns biases as 32-bit words.
    pub(super) fn narrow(&self, bias: &[i64]) -> Result<Vec<i32>, CompileError> {
        let words = bias.iter().map(|&b| i32::try_from(b)).collect::<Result<Vec<_>, _>>();
        words.map_err(|_| {
            self.error(
                CompileErrorKind::Unsupported,
                "a bias exceeds 32 bits at the scale of input times weight",
                "quantize the model again with wider ranges for this node's input and weights",
            )
        })
    }
}
