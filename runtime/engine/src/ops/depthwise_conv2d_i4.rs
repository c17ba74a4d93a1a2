//! `depthwise_conv2d_i4`: attributes and constants as in `depthwise_conv2d`.

use tanbo_kernels::Kernels;

use super::{Call, ParamsRef};

pub(super) use super::depthwise_conv2d::prepare;

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::DepthwiseConv2d(params) = call.params else { return None };
    call.output_rows(|input, output, rows| K::depthwise_conv2d_i4(params, input, output, rows))
}
