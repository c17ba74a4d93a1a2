//! `lut_i16`: constant table.

use tanbo_kernels::{Kernels, LutI16};

use super::{Call, Params, ParamsRef, Records};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    let &[interpolated_bits] = records.step.attrs else { return None };
    Some(Params::LutI16(LutI16 { interpolated_bits: interpolated_bits as u32, table: records.constant(0)?.i16()? }))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::LutI16(params) = call.params else { return None };
    call.each_row_i16(|x, y| K::lut_i16(params, x, y))
}
