//! `add_i16`, and the parameters it shares with `sub_i16`.

use tanbo_format::attrs;
use tanbo_kernels::Kernels;

use super::{Call, Params, ParamsRef, Records, add};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    add::pair(records, attrs::Sum::from_i16(records.step.attrs)?).map(Params::Sum)
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Sum(pair) = call.params else { return None };
    call.whole_pair(&pair.other, |input1, input2, output| K::add_i16(&pair.params, input1, input2, output))
}
