//! `squared_difference`.

use tanbo_format::attrs;
use tanbo_kernels::Kernels;

use super::{Call, Params, ParamsRef, Records, add};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    add::pair(records, attrs::Sum::from_words(records.step.attrs)?).map(Params::Sum)
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Sum(pair) = call.params else { return None };
    add::with_kernel(call, pair, K::squared_difference)
}
