//! `mean_i16`.

use tanbo_format::attrs;
use tanbo_kernels::Kernels;

use super::{Call, Params, ParamsRef, Records, mean};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    mean::params(records, attrs::Mean::from_i16(records.step.attrs)?)
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Mean(params) = call.params else { return None };
    call.whole(|input, output| K::mean_i16(params, input, output))
}
