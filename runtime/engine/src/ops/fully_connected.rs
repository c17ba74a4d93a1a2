//! `fully_connected`: constants weights, bias, mantissas, shifts.

use tanbo_format::attrs;
use tanbo_kernels::{FullyConnected, Kernels};

use super::{Call, Params, ParamsRef, Records};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    Some(Params::FullyConnected(params(records, attrs::fully_connected(records.step.attrs)?)?))
}

/// Returns the parameters of a matrix product with constant weights.
pub(super) fn params<'m>(records: &Records<'_, 'm>, range: attrs::Range) -> Option<FullyConnected<'m>> {
    Some(FullyConnected {
        input_zero_point: range.input_zero_point,
        weights: records.constant(0)?.i8()?,
        bias: records.constant(1)?.i32()?,
        multipliers: records.multipliers(2)?,
        range: records.range(range.output_zero_point, range.low, range.high),
    })
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::FullyConnected(params) = call.params else { return None };
    call.whole(|input, output| K::fully_connected(params, input, output))
}
