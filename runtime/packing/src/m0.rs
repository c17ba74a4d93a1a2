//! Packing of the family `m0`: see `pairs`.

use crate::pairs::{self, Words};
use crate::{Kind, Layout, Packing, Shape, Sizes};

/// The packing.
pub const M0: Packing = Packing(3);
/// The packing with its lengths.
pub const LAYOUT: Layout = Layout { packing: M0, keeps_scratch: true, sizes };

/// A group of two pairs of pixels is eight words.
const WORDS: Words = Words { patch: 8, conv_record: 8, depthwise_record: 7, tap: 1 };

fn sizes(kind: Kind, shape: &Shape) -> Option<Sizes> {
    pairs::sizes(kind, shape, &WORDS)
}
