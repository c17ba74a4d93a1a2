//! Packing for Cortex-M3.

use tanbo_packing::m3;

use crate::arch::pairs::high_word::requantization;
use crate::arch::pairs::pack::Writer;
use crate::pack::{PackedConstants, Source};

/// Packs a step. A record is two words of the accumulator (convolution; one of a depthwise convolution), then `m`, `C`, `s`
/// of [`requantization`].
pub fn pack(source: &Source<'_>) -> Option<PackedConstants> {
    const WRITER: Writer = Writer { flags: false, packing: m3::M3, sizes: m3::LAYOUT.sizes, requantization, flip: 0 };
    WRITER.pack(source)
}
