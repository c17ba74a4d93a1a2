//! `l2_norm`.

use tanbo_format::attrs;
use tanbo_kernels::{Kernels, L2Norm};

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let range = attrs::fully_connected(call.step.attrs)?;
    let x = call.input(0)?;
    let params = L2Norm {
        length: *x.shape.last()? as usize,
        input_zero_point: range.input_zero_point,
        range: call.range(range.output_zero_point, range.low, range.high),
    };
    let (inputs, output) = call.split_int8()?;
    K::l2_norm(&params, inputs.int8(&x)?, output).ok()
}
