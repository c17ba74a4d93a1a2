//! `div`: attributes as in `mul`.

use tanbo_kernels::Kernels;

use super::{Call, ParamsRef, mul};

pub(super) use super::mul::prepare;

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Product(pair) = call.params else { return None };
    mul::with_kernel(call, pair, K::div)
}
