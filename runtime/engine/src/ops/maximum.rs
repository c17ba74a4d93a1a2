//! `maximum`.

use tanbo_kernels::Kernels;

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    super::minimum::with_kernel(call, K::maximum)
}
