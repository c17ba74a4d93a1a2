//! `fully_connected_i16`: constants weights, bias, mantissas, shifts.

use tanbo_format::attrs;
use tanbo_kernels::{FullyConnectedI16, Kernels};

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let range = attrs::fully_connected_i16(call.step.attrs)?;
    let params = FullyConnectedI16 {
        weights: call.step.constant(0)?.i8()?,
        bias: call.step.constant(1)?.i64()?,
        multipliers: call.multipliers(2)?,
        range: call.range_i16(range.low, range.high),
    };
    let x = call.input(0)?;
    let (inputs, output) = call.split_int16()?;
    K::fully_connected_i16(&params, inputs.int16(&x)?, output).ok()
}
