//! `sub_i16`.

use tanbo_kernels::Kernels;

use super::{Call, add_i16};

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    add_i16::with_kernel(call, K::sub_i16)
}
