//! `batch_matmul_i16`.

use tanbo_format::attrs::BatchMatmul;
use tanbo_kernels::Kernels;

use super::{Call, Params, ParamsRef, Records, batch_matmul};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    batch_matmul::params(records, BatchMatmul::from_i16(records.step.attrs)?)
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::BatchMatmul(pair) = call.params else { return None };
    call.whole_pair(&pair.other, |input1, input2, output| K::batch_matmul_i16(&pair.params, input1, input2, output))
}
