//! The table.

use tanbo_packing::winograd::VNNI_WINOGRAD;
use tanbo_packing::x86::VNNI;

use super::{Vnni, registers, sum, winograd};

table!(Vnni, "vnni", VNNI, VNNI_WINOGRAD, sum: sum::sum, sum::sum_in_place, available: {
    std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
        && std::arch::is_x86_feature_detected!("avx512vl")
        && std::arch::is_x86_feature_detected!("avx512vnni")
});
