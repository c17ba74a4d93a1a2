//! Convolutions of any shape and matrix products: patches of up to three pixels, then their tiles.

use core::ops::Range;

use tanbo_packing::{Kind, dsp};
use tanbo_quant::Rounding;

use super::{address, clamp, line, patch, tile, words};
use crate::{KernelResult, LengthError, Packed, Rows, RowsMut};

/// Computes output rows.
pub fn run(
    kind: Kind,
    p: &Packed<'_>,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
) -> KernelResult {
    let division = dsp::Conv2d::new(kind, &p.shape).ok_or(LengthError)?;
    super::check(kind, p, &input, output)?;
    let scratch = words(scratch);
    let [patch, sources, fill, gathered] = division.scratch().ok_or(LengthError)?;
    let (patch, scratch) = scratch.split_at_mut_checked(patch).ok_or(LengthError)?;
    let (sources, scratch) = scratch.split_at_mut_checked(sources).ok_or(LengthError)?;
    let (fill, scratch) = scratch.split_at_mut_checked(fill).ok_or(LengthError)?;
    let gathered = scratch.get_mut(..gathered).ok_or(LengthError)?;
    fill.fill(u32::from_ne_bytes([p.input_zero_point as u8; 4]));
    let mut work = Work { p, division, input, patch, sources, fill, gathered };
    match output.contiguous_mut(rows.clone()) {
        Some(run) => work.rows(rows, run),
        None => {
            for row in rows {
                work.rows(row..row + 1, output.row_mut(row));
            }
        }
    }
    Ok(())
}

struct Work<'a> {
    p: &'a Packed<'a>,
    division: dsp::Conv2d,
    input: Rows<'a>,
    patch: &'a mut [u32],
    sources: &'a mut [u32],
    fill: &'a [u32],
    gathered: &'a mut [u32],
}

impl Work<'_> {
    /// Computes rows that follow one another in `output`.
    fn rows(&mut self, rows: Range<usize>, output: &mut [i8]) {
        let [_, width, outputs] = self.p.shape.output;
        let (mut row, mut column) = (rows.start, 0);
        for pixels in output.chunks_mut(self.division.pixels * outputs) {
            let count = pixels.len() / outputs;
            let mut places = [(0, 0); 3];
            for place in &mut places[..count] {
                *place = (row, column);
                column += 1;
                if column == width {
                    (row, column) = (row + 1, 0);
                }
            }
            let (runs, words) = self.find(&places[..count]);
            self.compute(count, runs, words, pixels);
        }
        clamp(&self.p.range, output);
    }

    /// Writes the pointers to the patches of the pixels at `places`; returns their number per pixel and the words of each.
    fn find(&mut self, places: &[(usize, usize)]) -> (usize, usize) {
        let shape = &self.p.shape;
        let ([_, width, inputs], [kernel_height, kernel_width]) = (shape.input, shape.kernel);
        let left = |column: usize| (column * shape.stride[1]).wrapping_sub(shape.pad[1]);
        if !self.division.direct {
            // SAFETY: any word is four bytes; the slice is no longer than the words are.
            let bytes = unsafe { self.gathered.align_to_mut::<i8>().1 };
            let per_pixel = bytes.len() / self.division.pixels;
            for (n, (&(row, column), bytes)) in places.iter().zip(bytes.chunks_exact_mut(per_pixel)).enumerate() {
                self.sources[n] = address(bytes.as_ptr());
                gather(self.p, self.input, row, left(column), bytes);
            }
            return (1, self.division.words);
        }
        let is_inside = |&(_, column): &(usize, usize)| {
            let left = left(column);
            left < width && kernel_width <= width - left
        };
        let whole = shape.dilation[1] == 1 && places.iter().all(is_inside);
        let (parts, taps) = if whole { (1, kernel_width) } else { (kernel_width, 1) };
        let bytes = taps * inputs;
        let fill = address(self.fill.as_ptr().cast());
        for (n, &(row, column)) in places.iter().enumerate() {
            let mut at = n;
            for ky in 0..kernel_height {
                let line = line(self.p, self.input, row, ky);
                let mut x = left(column);
                for _ in 0..parts {
                    let source = if x < width { line.get(x * inputs..x * inputs + bytes) } else { None };
                    self.sources[at] = source.map_or(fill, |run| address(run.as_ptr()));
                    at += places.len();
                    x = x.wrapping_add(shape.dilation[1]);
                }
            }
        }
        (kernel_height * parts, bytes / 4)
    }

    fn compute(&mut self, count: usize, runs: usize, words: usize, pixels: &mut [i8]) {
        let (patch, sources) = (self.patch.as_mut_ptr(), self.sources.as_ptr().cast::<*const i8>());
        let steps = self.division.words;
        let tile = tile::Tile {
            patch,
            weights: self.p.weights.as_ptr(),
            blocks: steps.div_ceil(4),
            skip: steps.wrapping_neg() % 4,
            records: self.p.records.as_ptr(),
            channels: self.p.shape.output[2],
            output: pixels.as_mut_ptr(),
            stride: self.p.shape.output[2],
            tflite: usize::from(self.p.range.rounding == Rounding::Tflite),
        };
        // SAFETY: `find` wrote `runs · count` pointers, each to `words` words of the input, of `fill` or of `gathered`; the
        // runs make up `steps` words, for which `patch` has twice the room; `run` checked weights and records against the
        // packing's lengths; `pixels` has `count` pixels of all channels. No count is 0: see `dsp::Conv2d::new`.
        unsafe {
            match count {
                1 => patch::one(patch, sources, runs, words),
                2 => patch::two(patch, sources, runs, words),
                _ => patch::three(patch, sources, runs, words),
            }
            match (count, self.division.lanes) {
                (1, 4) => tile::one_by_four(&tile),
                (1, _) => tile::one(&tile),
                (2, _) => tile::two(&tile),
                _ => tile::three(&tile),
            }
        }
    }
}

/// Copies the taps of one pixel to `bytes`, with zero points outside the input.
fn gather(p: &Packed<'_>, input: Rows<'_>, row: usize, left: usize, bytes: &mut [i8]) {
    let ([_, width, inputs], [kernel_height, kernel_width]) = (p.shape.input, p.shape.kernel);
    let zero = p.input_zero_point as i8;
    let whole = p.shape.dilation[1] == 1 && left < width && kernel_width <= width - left;
    let (parts, taps) = if whole { (1, kernel_width) } else { (kernel_width, 1) };
    let mut runs = bytes.chunks_exact_mut(taps * inputs);
    for ky in 0..kernel_height {
        let line = line(p, input, row, ky);
        let mut x = left;
        for _ in 0..parts {
            let Some(run) = runs.next() else { return };
            let source = if x < width { line.get(x * inputs..(x + taps) * inputs) } else { None };
            match source {
                Some(source) => {
                    for (to, &from) in run.iter_mut().zip(source) {
                        *to = from;
                    }
                }
                None => run.fill(zero),
            }
            x = x.wrapping_add(p.shape.dilation[1]);
        }
    }
}
