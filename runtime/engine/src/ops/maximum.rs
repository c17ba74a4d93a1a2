//! `maximum`: as `minimum`.

use tanbo_kernels::Kernels;

use super::{Call, ParamsRef};

pub(super) use super::minimum::prepare;

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Pairwise(pair) = call.params else { return None };
    call.whole_pair(&pair.other, |input1, input2, output| K::maximum(&pair.params, input1, input2, output))
}
