//! `gru`.

use tanbo_format::Op;
use tanbo_format::emit::ConstData;

use super::lstm::GATE;
use super::{Context, Lowered};
use crate::error::CompileError;
use crate::graph::Recurrence;

/// What the reset gate leaves of an 8-bit value has four bits after the point.
const RESET_BITS: i32 = 4;
/// The new gate's place.
const NEW: usize = 2;

pub(super) fn lower(context: &Context<'_>, weights: &Recurrence, linear: bool) -> Result<Lowered, CompileError> {
    let mut weights = weights.clone();
    if !linear {
        scale_new_gate(&mut weights, RESET_BITS);
    }
    let biases = [&weights.bias, &weights.recurrent_bias].map(|bias| context.narrow(bias).map(ConstData::I32));
    let biases = biases.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(Lowered { op: Op::Gru, attrs: attrs(context, &weights, linear)?, consts: context.recurrence(&weights, biases)? })
}

/// The new gate's sum is over values with `bits` more bits than the hidden state has.
fn scale_new_gate(weights: &mut Recurrence, bits: i32) {
    let per_gate = weights.recurrent_scales.len() / 3;
    for scale in weights.recurrent_scales.iter_mut().skip(NEW * per_gate) {
        *scale *= (-f64::from(bits)).exp2() as f32;
    }
}

/// Returns the attribute words.
pub(super) fn attrs(context: &Context<'_>, weights: &Recurrence, linear: bool) -> Result<Vec<i32>, CompileError> {
    let y = f64::from(context.output()?.scale);
    let mut words = context.recurrence_words(weights)?;
    words.insert(3, i32::from(linear));
    for factor in [y / GATE, GATE * GATE / y] {
        let multiplier = context.multiplier(factor)?;
        words.extend([multiplier.mantissa, multiplier.shift]);
    }
    Ok(words)
}

/// Returns the bytes of scratch: a 16-bit value per unit.
pub(super) fn scratch_bytes(context: &Context<'_>) -> usize {
    context.output().ok().and_then(|y| y.shape.last()).map_or(0, |&units| 2 * units)
}
