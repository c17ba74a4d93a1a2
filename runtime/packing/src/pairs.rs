//! What the packings of cores without SIMD share: two pixels lie in one word, so that one multiplication does two MACs.
//!
//! A convolution reads each kernel row as one run of `kernel width · input channels` weights, padded with zeros to groups of
//! four. A depthwise convolution reads the taps of one channel after another.

use crate::{Kind, Shape, Sizes};

/// Output rows that a depthwise kernel computes from one strip of a channel.
pub const STRIP_ROWS: usize = 16;

/// Returns the groups of four terms in a kernel row, or `None` if its taps do not follow one another in a row of the input.
pub fn row_groups(shape: &Shape) -> Option<usize> {
    let [_, width] = shape.kernel;
    (width == 1 || shape.dilation[1] == 1).then_some(())?;
    width.checked_mul(shape.input[2])?.checked_add(3).map(|terms| terms / 4)
}

/// Returns the height and the width of the strip of a channel that [`STRIP_ROWS`] output rows read, padding included.
pub fn strip(shape: &Shape) -> Option<[usize; 2]> {
    let outputs = [shape.output[0].min(STRIP_ROWS), shape.output[1]];
    let length = |axis: usize| {
        let steps = outputs[axis].checked_sub(1)?.checked_mul(shape.stride[axis])?;
        let taps = shape.kernel[axis].checked_sub(1)?.checked_mul(shape.dilation[axis])?;
        steps.checked_add(taps)?.checked_add(1)
    };
    Some([length(0)?, length(1)?])
}

/// Words that a family takes.
pub(crate) struct Words {
    /// Per group of four terms in the patch of a tile.
    pub patch: usize,
    /// Of a convolution's record.
    pub conv_record: usize,
    /// Of a depthwise convolution's record.
    pub depthwise_record: usize,
    /// Per tap of the depthwise convolution that is computed: its weights, widened.
    pub tap: usize,
}

pub(crate) fn sizes(kind: Kind, shape: &Shape, words: &Words) -> Option<Sizes> {
    let [height, width] = shape.kernel;
    let outputs = shape.output[2];
    match kind {
        Kind::Conv2d => {
            let row = row_groups(shape)?;
            let groups = height.checked_mul(row)?;
            let patch = groups.checked_mul(words.patch)?.checked_mul(4)?;
            // Beside the patch, a run of each pixel where the input ends.
            let edge = row.checked_mul(16)?;
            Some(Sizes {
                weight_bytes: groups.checked_mul(4)?.checked_mul(outputs)?,
                record_words: outputs.checked_mul(words.conv_record)?,
                scratch_bytes: patch.checked_add(edge)?,
            })
        }
        Kind::DepthwiseConv2d => {
            (width == 1 || shape.dilation[1] == 1).then_some(())?;
            outputs.checked_rem(shape.input[2]).filter(|&rest| rest == 0)?;
            let [rows, columns] = strip(shape)?;
            let taps = height.checked_mul(width)?;
            Some(Sizes {
                weight_bytes: taps.checked_mul(outputs)?,
                record_words: outputs.checked_mul(words.depthwise_record)?,
                scratch_bytes: taps.checked_mul(words.tap)?.checked_mul(4)?.checked_add(rows.checked_mul(columns)?)?,
            })
        }
    }
}
