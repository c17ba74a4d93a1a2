//! Cores without SIMD: two pixels in one word, so that one multiplication does two MACs.
//!
//! `w · (a0 + (a1 << 16))` is `w·a0 + (w·a1 << 16)`. A group of terms whose sums both fit a halfword is added up in one word,
//! with 2^15 more so that the low half is not negative; then the high half is `word >> 16` and adds to one sum, the whole word
//! to another, from which the low half's sum follows: `low = words - (high << 16)`, modulo 2^32.

#[cfg(any(tanbo_profile = "v6m", tanbo_profile = "v7m", target_arch = "riscv32"))]
mod add;
#[cfg(any(tanbo_profile = "v6m", tanbo_profile = "v7m", target_arch = "riscv32"))]
mod average_pool2d;
#[cfg(any(tanbo_profile = "v6m", tanbo_profile = "v7m", target_arch = "riscv32"))]
mod conv2d;
#[cfg(any(tanbo_profile = "v6m", tanbo_profile = "v7m", target_arch = "riscv32"))]
mod depthwise_conv2d;
#[cfg(feature = "pack")]
pub(crate) mod high_word;
#[cfg(any(tanbo_profile = "v6m", tanbo_profile = "v7m", target_arch = "riscv32"))]
mod machine;
#[cfg(any(tanbo_profile = "v6m", tanbo_profile = "v7m", target_arch = "riscv32"))]
mod mul;
#[cfg(any(tanbo_profile = "v6m", tanbo_profile = "v7m", target_arch = "riscv32"))]
mod narrow;
#[cfg(feature = "pack")]
pub(crate) mod pack;
#[cfg(any(tanbo_profile = "v6m", tanbo_profile = "v7m", target_arch = "riscv32"))]
mod requantize;
#[cfg(any(tanbo_profile = "v6m", tanbo_profile = "v7m", target_arch = "riscv32"))]
mod table;

#[cfg(any(tanbo_profile = "v6m", tanbo_profile = "v7m", target_arch = "riscv32"))]
pub(crate) use self::{
    add::{add, add_in_place},
    average_pool2d::average_pool2d,
    conv2d::conv2d,
    depthwise_conv2d::depthwise_conv2d,
    machine::{Job, Lines, Machine},
    mul::mul,
    requantize::requantize,
    table::table,
};
use crate::Output;

/// Groups of four terms in a chunk: what a kernel takes with one decision.
pub(crate) const CHUNK: usize = 8;

/// Returns whether a negative accumulator rounds otherwise than a positive one, and shows.
pub(crate) fn signed(range: &Output) -> bool {
    range.rounding == tanbo_quant::Rounding::Tflite && range.low < range.zero_point
}
