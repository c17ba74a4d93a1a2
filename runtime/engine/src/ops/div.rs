//! `div`.

use tanbo_kernels::Kernels;

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    super::mul::with_kernel(call, K::div)
}
