//! Packing for RISC-V without SIMD.

use tanbo_packing::rv32;

use crate::arch::pairs::high_word::requantization;
use crate::arch::pairs::pack::Writer;
use crate::pack::{PackedConstants, Source};

/// Packs a step. A record is three words of the accumulator (convolution; one of a depthwise convolution), then `m`, `C`, `s`
/// of [`requantization`].
pub fn pack(source: &Source<'_>) -> Option<PackedConstants> {
    const WRITER: Writer =
        Writer { flags: true, packing: rv32::RV32, sizes: rv32::LAYOUT.sizes, requantization, flip: 0 };
    WRITER.pack(source)
}
