//! `batch_matmul_i16`.

use tanbo_format::attrs::BatchMatmul;
use tanbo_kernels::Kernels;

use super::{Call, batch_matmul};

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let (params, x1, x2) = batch_matmul::params(call, BatchMatmul::from_i16(call.step.attrs)?)?;
    let (inputs, output) = call.split_int16()?;
    K::batch_matmul_i16(&params, inputs.int16(&x1)?, inputs.int16(&x2)?, output).ok()
}
