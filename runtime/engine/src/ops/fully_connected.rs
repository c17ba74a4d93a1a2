//! `fully_connected`: constants weights, bias, mantissas, shifts.

use tanbo_format::attrs;
use tanbo_kernels::{FullyConnected, Kernels};

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let range = attrs::fully_connected(call.step.attrs)?;
    let params = FullyConnected {
        input_zero_point: range.input_zero_point,
        weights: call.step.constant(0)?.i8()?,
        bias: call.step.constant(1)?.i32()?,
        multipliers: call.multipliers(2)?,
        range: call.range(range.output_zero_point, range.low, range.high),
    };
    let x = call.input(0)?;
    let (inputs, output) = call.split_int8()?;
    K::fully_connected(&params, inputs.int8(&x)?, output).ok()
}
