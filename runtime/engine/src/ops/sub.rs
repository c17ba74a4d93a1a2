//! `sub`.

use tanbo_kernels::Kernels;

use super::{Call, add};

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    add::with_kernel(call, K::sub)
}
