//! `lstm`, and its parameters, which it shares with `lstm_i16`: constants input_weights, recurrent_weights, bias and the
//! multipliers of both sums; states hidden, cell.

use tanbo_format::attrs;
use tanbo_kernels::{Kernels, Lstm};

use super::recurrence::Bias;
use super::{Call, Params, ParamsRef, Records, Stateful};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    params(records).map(Params::Lstm)
}

/// Returns the parameters of the step.
pub(super) fn params<'m, B: Bias>(records: &Records<'_, 'm>) -> Option<Stateful<'m, Lstm<'m, B>>> {
    let attributes = attrs::Lstm::from_words(records.step.attrs)?;
    let params = Lstm {
        sequence: records.sequence(&attributes.recurrence)?,
        gates: records.gates(&attributes.recurrence, 3)?,
        forget: attributes.forget.get()?,
        update: attributes.update.get()?,
        hidden: attributes.hidden.get()?,
        cell_bits: u32::try_from(attributes.cell_bits).ok()?,
        cell_clip: attributes.cell_clip,
    };
    Stateful::of(records, params, attributes.recurrence.keep == 0)
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Lstm(stateful) = call.params else { return None };
    let areas = call.areas_with(stateful)?;
    let [hidden, cell] = areas.states;
    let (hidden, cell) = (bytemuck::cast_slice_mut(hidden), bytemuck::try_cast_slice_mut(cell).ok()?);
    let (input, output) = (bytemuck::cast_slice(areas.input), bytemuck::cast_slice_mut(areas.output));
    K::lstm(&stateful.params, input, hidden, cell, output).ok()
}
