//! `transpose_conv2d`: attributes and constants as in `conv2d`.

use tanbo_kernels::Kernels;

use super::{Call, conv2d};

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let (params, x) = conv2d::params(call)?;
    call.output_rows(&x, |input, output, rows| K::transpose_conv2d(&params, input, output, rows))
}
