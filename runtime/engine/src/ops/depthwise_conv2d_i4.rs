//! `depthwise_conv2d_i4`: attributes and constants as in `depthwise_conv2d`.

use tanbo_kernels::Kernels;

use super::{Call, depthwise_conv2d};

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let (params, x) = depthwise_conv2d::params(call)?;
    call.output_rows(&x, |input, output, rows| K::depthwise_conv2d_i4(&params, input, output, rows))
}
