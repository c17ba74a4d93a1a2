//! Convolutions of any shape and matrix products: the patch of a tile of pixels, then all its channels.

use core::ops::Range;

use tanbo_packing::{Kind, pairs};

use super::{CHUNK, Job, Machine, signed};
use crate::{KernelResult, LengthError, Packed, Rows, RowsMut};

/// Pixels of a tile.
const PIXELS: usize = 4;
/// Words of a tile's patch per group of four terms: two pairs of each.
const GROUP_WORDS: usize = 8;

/// Computes output rows.
pub(crate) fn conv2d<M: Machine>(
    p: &Packed<'_>,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
) -> KernelResult {
    let sizes = (M::LAYOUT.sizes)(Kind::Conv2d, &p.shape).ok_or(LengthError)?;
    let [_, x_width, channels] = p.shape.input;
    let [_, width, outputs] = p.shape.output;
    let fits = p.packing == M::LAYOUT.packing
        && (p.weights.len(), p.records.len()) == (sizes.weight_bytes, sizes.record_words)
        && Some(input.row_len()) == x_width.checked_mul(channels)
        && Some(output.row_len()) == width.checked_mul(outputs)
        && scratch.len() >= sizes.scratch_bytes;
    let row_groups = pairs::row_groups(&p.shape).filter(|_| fits).ok_or(LengthError)?;
    let groups = row_groups * p.shape.kernel[0];
    let (patch, edge) = scratch.split_at_mut_checked(groups * GROUP_WORDS * 4).ok_or(LengthError)?;
    // SAFETY: any bits are an i32.
    let (before, patch, _) = unsafe { patch.align_to_mut::<i32>() };
    // SAFETY: any bits are an i8.
    let (_, edge, _) = unsafe { edge.align_to_mut::<i8>() };
    if !before.is_empty() || patch.len() < groups * GROUP_WORDS || edge.len() < row_groups * 16 {
        return Err(LengthError);
    }
    if groups == 0 || outputs == 0 {
        return Err(LengthError);
    }
    let whole = input.contiguous(0..p.shape.input[0]);
    let mut work = Work { p, input, whole, row_groups, groups, patch, edge };
    match output.contiguous_mut(rows.clone()) {
        Some(run) => work.run::<M>(rows, run),
        None => rows.into_iter().try_for_each(|row| work.run::<M>(row..row + 1, output.row_mut(row))),
    }
}

struct Work<'a, 's> {
    p: &'a Packed<'a>,
    input: Rows<'a>,
    /// The image, where its rows follow one another.
    whole: Option<&'a [i8]>,
    row_groups: usize,
    groups: usize,
    patch: &'s mut [i32],
    /// A run of four pixels that the input does not have as it is.
    edge: &'s mut [i8],
}

impl<'a> Work<'a, '_> {
    /// Computes rows that follow one another in `output`.
    fn run<M: Machine>(&mut self, rows: Range<usize>, output: &mut [i8]) -> KernelResult {
        let [_, width, outputs] = self.p.shape.output;
        let total = rows.len() * width;
        if output.len() != total * outputs {
            return Err(LengthError);
        }
        let mut at = Pixel { row: rows.start, column: 0 };
        let mut done = 0;
        while done < total {
            let left = total - done;
            // A last tile that is not full takes pixels once more that are done.
            let again = PIXELS.saturating_sub(left);
            if left >= M::FEWEST && again <= done {
                (0..again).for_each(|_| at.step_back(width));
                done -= again;
                self.pixels::<M>(PIXELS, &mut at, output.get_mut(done * outputs..).ok_or(LengthError)?)?;
                done += PIXELS;
            } else {
                self.pixels::<M>(1, &mut at, output.get_mut(done * outputs..).ok_or(LengthError)?)?;
                done += 1;
            }
        }
        Ok(())
    }

    /// Computes as many pixels from `at` on: a tile, or one.
    fn pixels<M: Machine>(&mut self, count: usize, at: &mut Pixel, output: &mut [i8]) -> KernelResult {
        let [_, width, outputs] = self.p.shape.output;
        let mut pixels = [*at; 4];
        for pixel in pixels.iter_mut().take(count) {
            *pixel = *at;
            at.step(width);
        }
        let group_words = if count == 1 { 4 } else { GROUP_WORDS };
        let row_words = self.row_groups * group_words;
        let mut sum = 0;
        for tap in 0..self.p.shape.kernel[0] {
            let mut runs: [&[i8]; 4] = [&[]; 4];
            let mut edges = self.edge.chunks_exact_mut(self.row_groups * 4);
            for (pixel, run) in pixels.iter().zip(&mut runs).take(count) {
                let edge = edges.next().ok_or(LengthError)?;
                *run = source(self.p, self.input, self.whole, pixel, tap, edge);
            }
            let patch = self.patch.get_mut(tap * row_words..(tap + 1) * row_words).ok_or(LengthError)?;
            if count == 1 {
                sum += fill_single(runs[0], patch);
            } else {
                M::fill(&runs, patch);
            }
        }
        let range = &self.p.range;
        let patch = self.patch.get(..self.groups * group_words).ok_or(LengthError)?.as_ptr_range();
        let mut job = Job {
            patch: patch.start,
            patch_end: patch.end,
            weights: self.p.weights.as_ptr(),
            records: self.p.records.as_ptr(),
            outputs,
            output: output.as_mut_ptr(),
            stride: outputs,
            first: (self.groups - 1) % CHUNK + 1,
            low: range.low,
            high: range.high,
            sign: if signed(range) { -2 } else { 0 },
            base: M::base(sum),
        };
        if output.len() < count * outputs {
            return Err(LengthError);
        }
        // SAFETY: the lengths were compared with the packing's: weights and records are there for `outputs` channels of
        // `groups` groups, neither of them 0; the patch has that many groups, the output `count` pixels.
        unsafe { if count == 1 { M::single(&mut job) } else { M::tile(&mut job) } }
        Ok(())
    }
}

/// Place of an output pixel.
#[derive(Clone, Copy)]
struct Pixel {
    row: usize,
    column: usize,
}

impl Pixel {
    fn step(&mut self, width: usize) {
        self.column += 1;
        if self.column == width {
            (self.row, self.column) = (self.row + 1, 0);
        }
    }

    fn step_back(&mut self, width: usize) {
        if self.column == 0 {
            (self.row, self.column) = (self.row - 1, width);
        }
        self.column -= 1;
    }
}

/// Returns the input under kernel row `tap` of a pixel: as it lies there, or put together in `edge`, with the zero point in the
/// padding, or where the line ends before a multiple of four bytes.
fn source<'s, 'a: 's>(
    p: &Packed<'a>,
    input: Rows<'a>,
    whole: Option<&'a [i8]>,
    pixel: &Pixel,
    tap: usize,
    edge: &'s mut [i8],
) -> &'s [i8] {
    let shape = &p.shape;
    let [height, width, channels] = shape.input;
    let row = (pixel.row * shape.stride[0] + tap * shape.dilation[0]).wrapping_sub(shape.pad[0]);
    let column = (pixel.column * shape.stride[1]).wrapping_sub(shape.pad[1]);
    let taps = shape.kernel[1];
    let line = match whole {
        _ if row >= height => &[],
        Some(whole) => whole.get(row * width * channels..).and_then(|rest| rest.get(..width * channels)).unwrap_or(&[]),
        None => input.row(row),
    };
    let length = edge.len();
    // Bytes beyond the taps meet weights of 0.
    if column < width
        && taps <= width - column
        && let Some(run) = line.get(column * channels..).and_then(|rest| rest.get(..length))
    {
        return run;
    }
    edge.fill(p.input_zero_point as i8);
    // Taps before the first column, and from where the rest of the run is copied.
    let (before, from) = if column < width { (0, column) } else { (0usize.wrapping_sub(column), 0) };
    if before < taps {
        let to = edge.get_mut(before * channels..taps * channels).unwrap_or_default();
        let from = line.get(from * channels..).unwrap_or_default();
        let both = to.len().min(from.len());
        to.iter_mut().zip(&from[..both]).for_each(|(to, &from)| *to = from);
    }
    edge
}

/// Writes the patch of a single pixel, a word per term, and returns their sum.
fn fill_single(run: &[i8], patch: &mut [i32]) -> i32 {
    let mut sum = 0i32;
    for (&x, word) in run.iter().zip(patch) {
        *word = i32::from(x);
        sum += i32::from(x);
    }
    sum
}
