//! The table.

use tanbo_packing::winograd::AVX2_WINOGRAD;
use tanbo_packing::x86::AVX2;

use super::{Avx2, registers, winograd};
use crate::arch::x86;

table!(Avx2, "avx2", AVX2, AVX2_WINOGRAD, sum: x86::sum::sum, x86::sum::sum_in_place, available: std::arch::is_x86_feature_detected!("avx2"));
