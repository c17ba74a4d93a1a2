//! `gru_i16`: as `gru`.

use tanbo_kernels::Kernels;

use super::{Call, Params, ParamsRef, Records, gru};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    gru::params(records).map(Params::GruI16)
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::GruI16(stateful) = call.params else { return None };
    let areas = call.areas_with(stateful)?;
    let [hidden, _] = areas.states;
    let (input, output) =
        (bytemuck::try_cast_slice(areas.input).ok()?, bytemuck::try_cast_slice_mut(areas.output).ok()?);
    let hidden = bytemuck::try_cast_slice_mut(hidden).ok()?;
    K::gru_i16(&stateful.params, input, hidden, output, gru::units(areas.scratch)?).ok()
}
