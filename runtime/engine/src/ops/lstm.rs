//! `lstm`, and its parameters, which it shares with `lstm_i16`: constants input_weights, recurrent_weights, bias and the
//! multipliers of both sums; states hidden, cell.

use tanbo_format::attrs;
use tanbo_kernels::{Kernels, Lstm};

use super::Call;
use super::recurrence::Bias;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let params = params::<i32>(call)?;
    let areas = call.areas()?;
    let [hidden, cell] = areas.states;
    let (hidden, cell) = (bytemuck::cast_slice_mut(hidden), bytemuck::try_cast_slice_mut(cell).ok()?);
    K::lstm(&params, bytemuck::cast_slice(areas.input), hidden, cell, bytemuck::cast_slice_mut(areas.output)).ok()
}

/// Returns the parameters of the step, whose states have begun.
pub(super) fn params<'m, B: Bias>(call: &mut Call<'_, 'm>) -> Option<Lstm<'m, B>> {
    let attributes = attrs::Lstm::from_words(call.step.attrs)?;
    call.begin(&attributes.recurrence)?;
    Some(Lstm {
        sequence: call.sequence(&attributes.recurrence)?,
        gates: call.gates(&attributes.recurrence, 3)?,
        forget: attributes.forget.get()?,
        update: attributes.update.get()?,
        hidden: attributes.hidden.get()?,
        cell_bits: u32::try_from(attributes.cell_bits).ok()?,
        cell_clip: attributes.cell_clip,
    })
}
