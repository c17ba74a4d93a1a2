//! Packing of the family `m3`: see `pairs`.

use crate::pairs::{self, Words};
use crate::{Kind, Layout, Packing, Shape, Sizes};

/// The packing.
pub const M3: Packing = Packing(4);
/// The packing with its lengths.
pub const LAYOUT: Layout = Layout { packing: M3, keeps_scratch: true, sizes };

/// A group of two pairs of pixels is eight words.
const WORDS: Words = Words { patch: 8, conv_record: 5, depthwise_record: 4, tap: 0 };

fn sizes(kind: Kind, shape: &Shape) -> Option<Sizes> {
    pairs::sizes(kind, shape, &WORDS)
}
