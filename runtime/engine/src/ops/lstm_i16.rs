//! `lstm_i16`: as `lstm`.

use tanbo_kernels::Kernels;

use super::{Call, lstm};

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let params = lstm::params::<i64>(call)?;
    let areas = call.areas()?;
    let [hidden, cell] = areas.states.map(|state| bytemuck::try_cast_slice_mut(state).ok());
    let (input, output) =
        (bytemuck::try_cast_slice(areas.input).ok()?, bytemuck::try_cast_slice_mut(areas.output).ok()?);
    K::lstm_i16(&params, input, hidden?, cell?, output).ok()
}
