//! `fully_connected_i16`: constants weights, bias, mantissas, shifts.

use tanbo_format::attrs;
use tanbo_kernels::{FullyConnectedI16, Kernels};

use super::{Call, Params, ParamsRef, Records};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    let range = attrs::fully_connected_i16(records.step.attrs)?;
    Some(Params::FullyConnectedI16(FullyConnectedI16 {
        weights: records.constant(0)?.i8()?,
        bias: records.constant(1)?.i64()?,
        multipliers: records.multipliers(2)?,
        range: records.range_i16(range.low, range.high),
    }))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::FullyConnectedI16(params) = call.params else { return None };
    call.whole(|input, output| K::fully_connected_i16(params, input, output))
}
