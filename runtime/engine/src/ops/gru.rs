//! `gru`, and its parameters, which it shares with `gru_i16`: constants input_weights, recurrent_weights, bias,
//! recurrent_bias and the multipliers of both sums; state hidden; scratch of one 16-bit value per unit.

use tanbo_format::attrs;
use tanbo_kernels::{Gru, Kernels};

use super::recurrence::Bias;
use super::{Call, Params, ParamsRef, Records, Stateful};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    params(records).map(Params::Gru)
}

/// Returns the parameters of the step.
pub(super) fn params<'m, B: Bias>(records: &Records<'_, 'm>) -> Option<Stateful<'m, Gru<'m, B>>> {
    let attributes = attrs::Gru::from_words(records.step.attrs)?;
    let params = Gru {
        sequence: records.sequence(&attributes.recurrence)?,
        gates: records.gates(&attributes.recurrence, 4)?,
        linear_before_reset: attributes.linear_before_reset != 0,
        recurrent_bias: B::values(records.constant(3)?)?,
        unit: attributes.unit.get()?,
        hidden: attributes.hidden.get()?,
    };
    Stateful::of(records, params, attributes.recurrence.keep == 0)
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Gru(stateful) = call.params else { return None };
    let areas = call.areas_with(stateful)?;
    let [hidden, _] = areas.states;
    let (input, output) = (bytemuck::cast_slice(areas.input), bytemuck::cast_slice_mut(areas.output));
    K::gru(&stateful.params, input, bytemuck::cast_slice_mut(hidden), output, units(areas.scratch)?).ok()
}

/// Returns scratch bytes as 16-bit values, as many as are whole.
pub(super) fn units(scratch: &mut [u8]) -> Option<&mut [i16]> {
    let whole = scratch.len() / 2 * 2;
    bytemuck::try_cast_slice_mut(scratch.get_mut(..whole)?).ok()
}
