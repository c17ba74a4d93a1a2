//! `gru_i16`: as `gru`.

use tanbo_kernels::Kernels;

use super::{Call, gru};

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let params = gru::params::<i64>(call)?;
    let areas = call.areas()?;
    let [hidden, _] = areas.states;
    let (input, output) =
        (bytemuck::try_cast_slice(areas.input).ok()?, bytemuck::try_cast_slice_mut(areas.output).ok()?);
    K::gru_i16(&params, input, bytemuck::try_cast_slice_mut(hidden).ok()?, output, gru::units(areas.scratch)?).ok()
}
