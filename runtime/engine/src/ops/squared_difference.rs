//! `squared_difference`.

use tanbo_kernels::Kernels;

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    super::add::with_kernel(call, K::squared_difference)
}
