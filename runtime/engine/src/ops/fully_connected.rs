//! `fully_connected`: constants weights, bias, mantissas, shifts.

use tanbo_format::attrs;
use tanbo_kernels::{FullyConnected, Kernels};

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let params = params(call, attrs::fully_connected(call.step.attrs)?)?;
    let x = call.input(0)?;
    let (inputs, output) = call.split_int8()?;
    K::fully_connected(&params, inputs.int8(&x)?, output).ok()
}

/// Returns the parameters of a matrix product with constant weights.
pub(super) fn params<'m>(call: &Call<'_, 'm>, range: attrs::Range) -> Option<FullyConnected<'m>> {
    Some(FullyConnected {
        input_zero_point: range.input_zero_point,
        weights: call.step.constant(0)?.i8()?,
        bias: call.step.constant(1)?.i32()?,
        multipliers: call.multipliers(2)?,
        range: call.range(range.output_zero_point, range.low, range.high),
    })
}
