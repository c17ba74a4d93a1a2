//! `lut`: constant table.

use tanbo_kernels::Kernels;

use super::{Call, Params, ParamsRef, Records};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    Some(Params::Lut(records.constant(0)?.i8()?))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Lut(table) = call.params else { return None };
    call.each_row(|x, y| K::lut(table, bytemuck::cast_slice(x), bytemuck::cast_slice_mut(y)).ok())
}
