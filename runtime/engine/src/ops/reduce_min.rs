//! `reduce_min`.

use tanbo_kernels::Kernels;

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    super::reduce_max::with_kernel(call, K::reduce_min)
}
