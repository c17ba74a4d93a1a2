//! 3x3 convolutions on x86-64 by Winograd's F(4x4, 3x3): lengths, and how the kernels divide their scratch. The arithmetic is
//! told beside the kernels.

use crate::x86::{HEADER_WORDS, LANE_WORDS};
use crate::{Kind, Layout, Packing, Shape, Sizes};

/// For AVX2.
pub const AVX2_WINOGRAD: Layout = Layout { packing: Packing(10), keeps_scratch: false, sizes };
/// For AVX-512 VNNI: the same weights, records in wider registers.
pub const VNNI_WINOGRAD: Layout = Layout { packing: Packing(17), keeps_scratch: false, sizes };

/// Outputs of a tile, down and across.
pub const TILE: usize = 4;
/// Inputs of a tile, down and across: outputs and the taps' reach.
pub const PATCH: usize = 6;
/// Products of a tile, for each input and output channel.
pub const POINTS: usize = PATCH * PATCH;
/// Output channels computed together; input channels come in as many, too.
pub const BLOCK: usize = 16;
/// Tiles computed together.
pub const BATCH: usize = 4;
/// Parts of the scratch begin at multiples of this.
pub const ALIGN: usize = 64;
/// Largest scratch, in bytes.
const MOST_BYTES: usize = 1 << 28;

/// How a convolution is divided. Lengths are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Winograd {
    /// Tiles in a row of them.
    pub tiles: usize,
    /// A row of the input that lies in the border.
    pub border: usize,
    /// A row of points of a tile, of all channels.
    pub points: usize,
    /// All, with what aligning it takes.
    pub scratch: usize,
}

impl Winograd {
    /// Returns the division of a step, or `None` for one that is not computed so.
    pub fn new(kind: Kind, shape: &Shape) -> Option<Self> {
        let unit = kind == Kind::Conv2d && shape.kernel == [3, 3] && shape.stride == [1, 1] && shape.dilation == [1, 1];
        let [height, width, channels] = shape.input;
        let [rows, outputs_across, outputs] = shape.output;
        let whole = channels.is_multiple_of(BLOCK) && outputs.is_multiple_of(BLOCK);
        let small = |&length: &usize| (1..=MOST_BYTES).contains(&length);
        let lengths = [height, width, channels, rows, outputs_across, outputs];
        if !unit || !whole || !lengths.iter().all(small) || !shape.pad.iter().all(|&pad| pad <= MOST_BYTES) {
            return None;
        }
        let tiles = outputs_across.div_ceil(TILE);
        // No tile begins where a number ends.
        tiles.checked_mul(TILE)?.checked_add(PATCH)?;
        let border = width.checked_mul(channels)?.checked_next_multiple_of(ALIGN)?;
        let points = channels.checked_mul(2 * PATCH)?;
        let inputs = points.checked_mul(PATCH * BATCH)?;
        let scratch = border.checked_add(inputs)?.checked_add(BATCH * BLOCK * POINTS * 4 + ALIGN)?;
        (scratch <= MOST_BYTES).then_some(Self { tiles, border, points, scratch })
    }
}

fn sizes(kind: Kind, shape: &Shape) -> Option<Sizes> {
    let winograd = Winograd::new(kind, shape)?;
    let [_, _, outputs] = shape.output;
    Some(Sizes {
        weight_bytes: outputs.checked_mul(shape.input[2])?.checked_mul(2 * POINTS)?,
        record_words: outputs.checked_mul(LANE_WORDS)?.checked_add(HEADER_WORDS)?,
        scratch_bytes: winograd.scratch,
    })
}
