//! Convolutions that read of each place of the input one pixel: runs of pixels, where they lie, through rows and rings.

use core::ops::Range;

use tanbo_packing::dsp;

use super::{address, clamp, ensure, tile, words};
use crate::{KernelResult, Packed, Rows, RowsMut};

/// Computes output rows of a convolution that [`dsp::is_pointwise`]. A row, or two, is little work: lengths are compared in as few instructions as there can be.
pub fn run(
    p: &Packed<'_>,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
) -> KernelResult {
    let [height, width, inputs] = p.shape.input;
    let channels = p.shape.output[2];
    let (most, lanes) = dsp::tiles(height.saturating_mul(width), width, inputs / 4);
    let lengths = || {
        let panels = channels.checked_next_multiple_of(lanes)?;
        let lengths = [panels.checked_mul(inputs)?, panels.checked_mul(4)?];
        let rows = [width.checked_mul(inputs)?, width.checked_mul(channels)?];
        Some(lengths == [p.weights.len(), p.records.len()] && rows == [input.row_len(), output.row_len()])
    };
    ensure(lengths() == Some(true) && rows.end <= height && inputs > 0 && channels > 0)?;
    ensure(p.packing == dsp::DSP.packing && p.weights.as_ptr().cast::<u32>().is_aligned())?;
    let scratch = words(scratch);
    // Two words for each four values of each pixel of a tile.
    ensure(scratch.len() >= inputs / 2 * most)?;
    let tile = tile::Tile::new(p, scratch, inputs / 4);
    let mut work = Work { inputs, channels, most, lanes, tile, from: 0, step: inputs as u32 };
    if let (Some(from), Some(to)) = (input.contiguous(rows.clone()), output.contiguous_mut(rows.clone())) {
        work.pixels(from, to);
        clamp(&p.range, to);
        return Ok(());
    }
    for row in rows {
        let to = output.row_mut(row);
        work.pixels(input.row(row), to);
        clamp(&p.range, to);
    }
    Ok(())
}

struct Work {
    inputs: usize,
    channels: usize,
    /// Pixels of a tile, at most.
    most: usize,
    /// Channels whose weights lie together: four if there is but one pixel.
    lanes: usize,
    tile: tile::Tile,
    /// Address of the next pixel, and distance to the one behind it.
    from: u32,
    step: u32,
}

impl Work {
    /// Computes as many pixels as `output` has, `inputs` values each from the beginning of `input` on.
    fn pixels(&mut self, input: &[i8], output: &mut [i8]) {
        let mut left = output.len() / self.channels;
        self.from = address(input.as_ptr());
        self.tile.output = output.as_mut_ptr();
        self.tile.stride = self.channels;
        // SAFETY: `run` compared the input's and the output's rows with `inputs` and `channels` of `left` pixels, weights and
        // records with both, and the scratch with `most`, which no tile exceeds. Four channels lie together for one pixel alone.
        unsafe {
            while tile::pixels(left, self.most) == 5 {
                self.tiles::<5>(1);
                left -= 5;
            }
            // Two and two rather than three and one.
            let threes = if self.most < 3 { 0 } else { left / 3 - usize::from(left % 3 == 1 && left > 1) };
            self.tiles::<3>(threes);
            left -= 3 * threes;
            self.tiles::<2>(left / 2);
            match (left % 2, self.lanes) {
                (0, _) => {}
                (_, 4) => self.tiles::<1>(1),
                _ => {
                    // One pixel of several goes as two, both written to the same place.
                    (self.step, self.tile.stride) = (0, 0);
                    self.tiles::<2>(1);
                    (self.step, self.tile.stride) = (self.inputs as u32, self.channels);
                }
            }
        }
    }

    /// Computes `count` tiles of `N` pixels that follow one another.
    ///
    /// # Safety
    /// From `from` on there must be `N` pixels for each tile, from the tile's output on places for them; else as of
    /// [`tile::Tile::compute`].
    unsafe fn tiles<const N: usize>(&mut self, count: usize) {
        for _ in 0..count {
            let mut sources = [self.from; N];
            for source in &mut sources {
                *source = self.from;
                self.from = self.from.wrapping_add(self.step);
            }
            // SAFETY: as the caller promises.
            unsafe { self.tile.compute(N, sources.as_ptr(), 1, self.inputs / 4) };
            self.tile.output = self.tile.output.wrapping_add(N * self.channels);
        }
    }
}
