//! `lut`: constant table.

use tanbo_kernels::Kernels;

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let table = call.step.constant(0)?.i8()?;
    call.each_row(|x, y| K::lut(table, bytemuck::cast_slice(x), bytemuck::cast_slice_mut(y)).ok())
}
