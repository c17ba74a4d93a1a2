//! `l2_norm`.

use tanbo_format::attrs;
use tanbo_kernels::{Kernels, L2Norm};

use super::{Call, Params, ParamsRef, Records};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    let range = attrs::fully_connected(records.step.attrs)?;
    Some(Params::L2Norm(L2Norm {
        length: *records.input(0)?.shape.last()? as usize,
        input_zero_point: range.input_zero_point,
        range: records.range(range.output_zero_point, range.low, range.high),
    }))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::L2Norm(params) = call.params else { return None };
    call.whole(|input, output| K::l2_norm(params, input, output))
}
