//! `sub_i16`: as `add_i16`.

use tanbo_kernels::Kernels;

use super::{Call, ParamsRef};

pub(super) use super::add_i16::prepare;

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Sum(pair) = call.params else { return None };
    call.whole_pair(&pair.other, |input1, input2, output| K::sub_i16(&pair.params, input1, input2, output))
}
