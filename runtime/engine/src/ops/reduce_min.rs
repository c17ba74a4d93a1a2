//! `reduce_min`: as `reduce_max`.

use tanbo_kernels::Kernels;

use super::{Call, ParamsRef};

pub(super) use super::reduce_max::prepare;

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Reduction(params) = call.params else { return None };
    call.whole(|input, output| K::reduce_min(params, input, output))
}
