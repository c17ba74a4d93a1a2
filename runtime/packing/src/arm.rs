//! What the packings for NEON share: how output channels fall into blocks of lanes, and the scratch of a convolution.

use crate::Shape;

/// Bytes that may be read behind the last one that is used.
pub const SLACK: usize = 64;
/// Words before the blocks' records; the first says how accumulators are scaled.
pub const HEADER_WORDS: usize = 4;
/// Patches are laid out for as many rows as fit here, at least for one.
const PATCH_BYTES: usize = 16 << 10;

/// Channels `first .. first + lanes` of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// First channel.
    pub first: usize,
    /// Width: a power of two. Sticks out of the image only where this has fewer channels than the narrowest block.
    pub lanes: usize,
}

/// The blocks of an image's channels: as many of the widest as fit, then narrower ones; the last is moved back over
/// channels of the one before, so that every store is whole.
#[derive(Clone, Copy, Debug)]
pub struct Blocks {
    channels: usize,
    at: usize,
    widest: usize,
    narrowest: usize,
}

impl Blocks {
    /// Returns the blocks of `channels`, from `narrowest` to `widest` lanes (powers of two).
    pub const fn new(channels: usize, narrowest: usize, widest: usize) -> Self {
        Self { channels, at: 0, widest, narrowest }
    }

    /// Returns how many blocks of the widest come first, and the others.
    pub const fn split(self) -> (usize, Self) {
        let count = self.channels / self.widest;
        (count, Self { at: count * self.widest, ..self })
    }

    /// Returns how many lanes the blocks have together.
    pub fn lanes(self) -> Option<usize> {
        let (_, mut others) = self.split();
        others.try_fold(others.at, |lanes, block| lanes.checked_add(block.lanes))
    }
}

impl Iterator for Blocks {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        let rest = self.channels.checked_sub(self.at).filter(|&rest| rest > 0)?;
        let mut lanes = self.widest;
        while lanes > self.narrowest && (rest <= lanes / 2 || lanes > self.channels || self.halves(lanes, rest)) {
            lanes /= 2;
        }
        let first = if lanes <= rest { self.at } else { self.channels.saturating_sub(lanes) };
        self.at += lanes;
        Some(Block { first, lanes })
    }
}

impl Blocks {
    /// Returns whether half a block and a quarter do what a whole one would.
    fn halves(&self, lanes: usize, rest: usize) -> bool {
        lanes >= 4 * self.narrowest && rest <= lanes / 4 * 3
    }
}

/// Where a convolution's padded rows and patches lie in its scratch, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scratch {
    /// Length of a padded row: what one output row reads of it.
    pub row_bytes: usize,
    /// Rows of the ring.
    pub ring_rows: usize,
    /// Distance between patches.
    pub patch_bytes: usize,
    /// Output rows whose patches are there at a time.
    pub patch_rows: usize,
    /// All.
    pub bytes: usize,
}

impl Scratch {
    /// Returns the scratch of padded rows alone.
    pub fn rows(shape: &Shape) -> Option<Self> {
        Self::ring(shape, 0)
    }

    /// Returns the scratch of the padded rows that two output rows without strides read.
    pub fn row_pairs(shape: &Shape) -> Option<Self> {
        Self::ring(shape, 1)
    }

    fn ring(shape: &Shape, more: usize) -> Option<Self> {
        let [_, width, _] = shape.output;
        let columns = span(width, shape.stride[1])?.checked_add(span(shape.kernel[1], shape.dilation[1])?)?;
        let row_bytes = columns.checked_add(1)?.checked_mul(shape.input[2])?;
        let ring_rows = span(shape.kernel[0], shape.dilation[0])?.checked_add(1 + more)?;
        let bytes = ring_rows.checked_mul(row_bytes)?.checked_add(SLACK)?;
        // Positions of rows do not overflow either.
        span(shape.output[0], shape.stride[0])?.checked_add(ring_rows)?;
        Some(Self { row_bytes, ring_rows, patch_bytes: 0, patch_rows: 1, bytes })
    }

    /// Returns the scratch of padded rows and patches.
    pub fn patches(shape: &Shape) -> Option<Self> {
        let rows = Self::rows(shape)?;
        let [height, width, _] = shape.output;
        let patch_bytes = taps(shape)?.checked_add(15)?.checked_next_multiple_of(16)?;
        let row = patch_bytes.checked_mul(width)?;
        let patch_rows = PATCH_BYTES.checked_div(row)?.clamp(1, height.max(1));
        let bytes = row.checked_mul(patch_rows)?.checked_add(rows.bytes)?.checked_add(SLACK)?;
        Some(Self { patch_bytes, patch_rows, bytes, ..rows })
    }
}

/// Returns how many inputs an output sums up.
pub fn taps(shape: &Shape) -> Option<usize> {
    shape.kernel[0].checked_mul(shape.kernel[1])?.checked_mul(shape.input[2])
}

/// Returns the distance between the first and the last of `count`.
fn span(count: usize, step: usize) -> Option<usize> {
    count.checked_sub(1)?.checked_mul(step)
}

/// Returns whether an output pixel reads the input pixel of the same place and nothing else.
pub fn is_pointwise(shape: &Shape) -> bool {
    shape.kernel == [1, 1] && shape.stride == [1, 1] && shape.pad == [0, 0] && shape.input[..2] == shape.output[..2]
}

/// Returns the scratch of a convolution: of a pointwise one, room for the last pixels.
pub fn conv2d_scratch(shape: &Shape) -> Option<usize> {
    if is_pointwise(shape) {
        return shape.input[2].checked_mul(4)?.checked_add(SLACK);
    }
    Some(Scratch::patches(shape)?.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_every_channel_and_stick_out_of_none() {
        for (narrowest, widest) in [(4, 8), (4, 16), (8, 16)] {
            for channels in 1..70 {
                let blocks = Blocks::new(channels, narrowest, widest);
                let mut covered = [false; 80];
                for Block { first, lanes } in blocks {
                    assert!((narrowest..=widest).contains(&lanes), "{channels}");
                    assert!(first + lanes <= channels.max(narrowest), "{channels}: {first} {lanes}");
                    covered[first..first + lanes].fill(true);
                }
                assert!(covered[..channels].iter().all(|&c| c), "{channels}");
                assert_eq!(blocks.lanes(), Some(blocks.map(|block| block.lanes).sum()));
            }
        }
    }
}
