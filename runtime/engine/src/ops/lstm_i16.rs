//! `lstm_i16`: as `lstm`.

use tanbo_kernels::Kernels;

use super::{Call, Params, ParamsRef, Records, lstm};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    lstm::params(records).map(Params::LstmI16)
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::LstmI16(stateful) = call.params else { return None };
    let areas = call.areas_with(stateful)?;
    let [hidden, cell] = areas.states.map(|state| bytemuck::try_cast_slice_mut(state).ok());
    let (input, output) =
        (bytemuck::try_cast_slice(areas.input).ok()?, bytemuck::try_cast_slice_mut(areas.output).ok()?);
    K::lstm_i16(&stateful.params, input, hidden?, cell?, output).ok()
}
