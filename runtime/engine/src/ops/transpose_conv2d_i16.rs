//! `transpose_conv2d_i16`: constants weights, bias, mantissas, shifts.

use tanbo_format::attrs;
use tanbo_kernels::Kernels;

use super::{Call, conv2d_i16};

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let conv = attrs::transpose_conv2d_i16(call.step.attrs)?;
    let (params, x) = conv2d_i16::params(call, attrs::ConvI16 { conv, accumulator_bits: 64 })?;
    call.output_rows(&x, |input, output, rows| K::transpose_conv2d_i16(&params, input, output, rows))
}
