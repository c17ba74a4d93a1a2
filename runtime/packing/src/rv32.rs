//! Packing of the family `rv32`: see `pairs`.

use crate::pairs::{self, Words};
use crate::{Kind, Layout, Packing, Shape, Sizes};

/// The packing.
pub const RV32: Packing = Packing(5);
/// The packing with its lengths.
pub const LAYOUT: Layout = Layout { packing: RV32, keeps_scratch: true, sizes };

/// A group of two pairs of pixels is eight words.
const WORDS: Words = Words { patch: 8, conv_record: 6, depthwise_record: 4, tap: 0 };

fn sizes(kind: Kind, shape: &Shape) -> Option<Sizes> {
    pairs::sizes(kind, shape, &WORDS)
}
