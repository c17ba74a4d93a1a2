//! `lut_i16`: constant table.

use tanbo_kernels::{Kernels, LutI16};

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let &[interpolated_bits] = call.step.attrs else { return None };
    let params = LutI16 { interpolated_bits: interpolated_bits as u32, table: call.step.constant(0)?.i16()? };
    call.each_row_i16(|x, y| K::lut_i16(&params, x, y))
}
