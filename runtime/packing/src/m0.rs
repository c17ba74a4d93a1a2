//! Packing of the family `m0`: see `pairs`.

use crate::pairs::{self, Words};
use crate::{Kind, Layout, Packing, Shape, Sizes};

/// The packing.
pub const M0: Packing = Packing(3);
/// The packing with its lengths.
pub const LAYOUT: Layout = Layout { packing: M0, keeps_scratch: true, sizes };

/// A group of a pair of pixels is four words of both and one of their sum.
const WORDS: Words = Words { patch: 5, conv_record: 9, depthwise_record: 7 };

fn sizes(kind: Kind, shape: &Shape) -> Option<Sizes> {
    pairs::sizes(kind, shape, &WORDS)
}
