//! `transpose_conv2d_i16`: constants weights, bias, mantissas, shifts.

use tanbo_format::attrs;
use tanbo_kernels::Kernels;

use super::{Call, Params, ParamsRef, Records, conv2d_i16};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    let conv = attrs::transpose_conv2d_i16(records.step.attrs)?;
    conv2d_i16::params(records, attrs::ConvI16 { conv, accumulator_bits: 64 })
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Conv2dI16(params) = call.params else { return None };
    call.output_rows(|input, output, rows| K::transpose_conv2d_i16(params, input, output, rows))
}
