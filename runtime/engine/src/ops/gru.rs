//! `gru`, and its parameters, which it shares with `gru_i16`: constants input_weights, recurrent_weights, bias,
//! recurrent_bias and the multipliers of both sums; state hidden; scratch of one 16-bit value per unit.

use tanbo_format::attrs;
use tanbo_kernels::{Gru, Kernels};

use super::Call;
use super::recurrence::Bias;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let params = params::<i32>(call)?;
    let areas = call.areas()?;
    let [hidden, _] = areas.states;
    let (input, output) = (bytemuck::cast_slice(areas.input), bytemuck::cast_slice_mut(areas.output));
    K::gru(&params, input, bytemuck::cast_slice_mut(hidden), output, units(areas.scratch)?).ok()
}

/// Returns the parameters of the step, whose state has begun.
pub(super) fn params<'m, B: Bias>(call: &mut Call<'_, 'm>) -> Option<Gru<'m, B>> {
    let attributes = attrs::Gru::from_words(call.step.attrs)?;
    call.begin(&attributes.recurrence)?;
    Some(Gru {
        sequence: call.sequence(&attributes.recurrence)?,
        gates: call.gates(&attributes.recurrence, 4)?,
        linear_before_reset: attributes.linear_before_reset != 0,
        recurrent_bias: B::values(call.step.constant(3)?)?,
        unit: attributes.unit.get()?,
        hidden: attributes.hidden.get()?,
    })
}

/// Returns scratch bytes as 16-bit values, as many as are whole.
pub(super) fn units(scratch: &mut [u8]) -> Option<&mut [i16]> {
    let whole = scratch.len() / 2 * 2;
    bytemuck::try_cast_slice_mut(scratch.get_mut(..whole)?).ok()
}
