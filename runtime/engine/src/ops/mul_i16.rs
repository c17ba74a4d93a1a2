//! `mul_i16`.

use tanbo_format::attrs;
use tanbo_kernels::Kernels;

use super::{Call, Params, ParamsRef, Records, mul};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    mul::params(records, attrs::Product::from_i16(records.step.attrs)?)
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Product(pair) = call.params else { return None };
    call.whole_pair(&pair.other, |input1, input2, output| K::mul_i16(&pair.params, input1, input2, output))
}
