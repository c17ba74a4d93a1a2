//! Convolutions of any shape and matrix products: patches of some pixels, then their tiles.

use core::ops::Range;

use tanbo_packing::{Kind, dsp};

use super::{address, clamp, line, pointwise, tile, words};
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
    if dsp::is_pointwise(kind, &p.shape) {
        return pointwise::run(p, input, output, rows, scratch);
    }
    // By reference: taken out of the option, it would be copied.
    let division = &dsp::Conv2d::new(kind, &p.shape);
    let division = division.as_ref().ok_or(LengthError)?;
    super::check(dsp::DSP.packing, &division.sizes().ok_or(LengthError)?, p, &input, output)?;
    let dsp::Scratch { patch, sources, lines, fill } = division.scratch;
    let (patch, scratch) = words(scratch).split_at_mut_checked(patch).ok_or(LengthError)?;
    let (sources, scratch) = scratch.split_at_mut_checked(sources).ok_or(LengthError)?;
    let (lines, scratch) = scratch.split_at_mut_checked(lines).ok_or(LengthError)?;
    let fill = scratch.get_mut(..fill).ok_or(LengthError)?;
    fill.fill(u32::from_ne_bytes([p.input_zero_point as u8; 4]));
    let tile = tile::Tile::new(p, patch, division.words);
    let whole = whole(p, division);
    let mut work = Work { p, division, whole, input, tile, sources, lines, fill };
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

/// Returns the output columns whose runs of taps, filled up to whole words, can be read from the input.
fn whole(p: &Packed<'_>, division: &dsp::Conv2d) -> Range<usize> {
    let (stride, pad) = (p.shape.stride[1].max(1), p.shape.pad[1]);
    // How far to the right a run can begin: in values, then in columns.
    let room = (p.shape.input[1] * p.shape.input[2]).checked_sub(4 * division.scratch.fill);
    let room = room.and_then(|values| values.checked_div(p.shape.input[2])).and_then(|left| left.checked_add(pad));
    match (room, division.direct && p.shape.dilation[1] == 1) {
        (Some(room), true) => pad.div_ceil(stride)..(room / stride + 1).min(p.shape.output[1]),
        _ => 0..0,
    }
}

struct Work<'a> {
    p: &'a Packed<'a>,
    division: &'a dsp::Conv2d,
    /// Output columns whose patches can be read where they lie.
    whole: Range<usize>,
    input: Rows<'a>,
    tile: tile::Tile,
    /// For each run of a patch a pointer per pixel; behind the pointers to gathered patches, these.
    sources: &'a mut [u32],
    /// Addresses of the input rows under the kernel, 0 for those outside.
    lines: &'a mut [u32],
    fill: &'a [u32],
}

impl<'a> Work<'a> {
    /// Computes rows that follow one another in `output`.
    fn rows(&mut self, rows: Range<usize>, output: &mut [i8]) {
        let [_, columns, outputs] = self.p.shape.output;
        let (mut row, mut column) = (rows.start, 0);
        let mut left = output.len() / outputs;
        self.tile.output = output.as_mut_ptr();
        self.begin(row);
        while left > 0 {
            if column == columns {
                (row, column) = (row + 1, 0);
                self.begin(row);
            }
            let mut count = tile::pixels(left, self.division.pixels);
            let inside = |count: usize| self.whole.start <= column && column + count <= self.whole.end;
            if count > 3 && left > 10 && !inside(count) {
                // Pixels at the border take longer to find: as few as can be.
                count = 3;
            }
            // One pixel of several goes as two, both written to the same place.
            let twice = count == 1 && self.division.lanes == 2;
            let places = if twice { 2 } else { count };
            self.tile.stride = if twice { 0 } else { outputs };
            let (runs, words);
            if !twice && inside(count) {
                self.direct(count, column);
                column += count;
                (runs, words) = (self.lines.len(), self.fill.len());
            } else {
                for n in 0..places {
                    if column == columns {
                        (row, column) = (row + 1, 0);
                        self.begin(row);
                    }
                    if self.division.gathers {
                        self.gather(n, column);
                    } else {
                        self.find(n, places, column);
                    }
                    column += usize::from(!twice || n > 0);
                }
                (runs, words) = if self.division.gathers {
                    (1, self.division.words)
                } else {
                    (self.sources.len() / self.division.pixels, self.p.shape.input[2] / 4)
                };
            }
            // SAFETY: `places` pointers for each of `runs` were written, each to `words` words of the input, of `fill` or of a
            // gathered patch; the runs make up `division.words` words, for which the patch has twice the room for as many pixels
            // as a tile has; `run` compared weights and records with the packing's lengths; `left` pixels of the output are
            // still to come. No count is 0: see `dsp::Conv2d::new`.
            unsafe { self.tile.compute(places, self.sources.as_ptr(), runs, words) };
            self.tile.output = self.tile.output.wrapping_add(count * outputs);
            left -= count;
        }
        clamp(&self.p.range, output);
    }

    /// Finds the input rows of an output row.
    fn begin(&mut self, row: usize) {
        for (ky, address) in self.lines.iter_mut().enumerate() {
            let line = line(self.p, self.input, row, ky);
            *address = if line.is_empty() { 0 } else { super::address(line.as_ptr()) };
        }
    }

    /// Returns the input column under the first tap of an output column; beyond the width if it is outside.
    fn left(&self, column: usize) -> usize {
        column.wrapping_mul(self.p.shape.stride[1]).wrapping_sub(self.p.shape.pad[1])
    }

    /// Writes the pointers to the rows of `count` patches that can be read where they lie, the first that of `column`.
    fn direct(&mut self, count: usize, column: usize) {
        let inputs = self.p.shape.input[2];
        let fill = address(self.fill.as_ptr().cast());
        let first = self.left(column).wrapping_mul(inputs) as u32;
        let step = (self.p.shape.stride[1] * inputs) as u32;
        for (sources, &line) in self.sources.chunks_exact_mut(count).zip(&*self.lines) {
            let (mut source, step) = if line == 0 { (fill, 0) } else { (line.wrapping_add(first), step) };
            for place in sources {
                *place = source;
                source = source.wrapping_add(step);
            }
        }
    }

    /// Writes the pointers to the patch of pixel `n` of `count`, one for each tap.
    fn find(&mut self, n: usize, count: usize, column: usize) {
        let inputs = self.p.shape.input[2];
        let (left, dilation) = (self.left(column), self.p.shape.dilation[1]);
        let fill = address(self.fill.as_ptr().cast());
        let mut at = n;
        for &line in &*self.lines {
            let mut x = left;
            for _ in 0..self.p.shape.kernel[1] {
                let inside = line != 0 && x < self.p.shape.input[1];
                self.sources[at] = if inside { line.wrapping_add((x * inputs) as u32) } else { fill };
                at += count;
                x = x.wrapping_add(dilation);
            }
        }
    }

    /// Copies the patch of pixel `n`, with zero points outside the input. What fills a run up to a word stays as it was: its
    /// weights are 0.
    fn gather(&mut self, n: usize, column: usize) {
        let [_, width, inputs] = self.p.shape.input;
        let taps = self.p.shape.kernel[1];
        let left = self.left(column);
        // Of the taps of a row some are to the left of the input, then some are inside.
        let outside = if left < width { 0 } else { left.wrapping_neg().min(taps) };
        let inside = (taps - outside).min(width - left.wrapping_add(outside).min(width));
        let bytes = [outside * inputs, inside * inputs, (taps - outside - inside) * inputs];
        let start = self.division.pixels + n * self.division.words;
        let mut to = self.sources[start..start + self.division.words].as_mut_ptr().cast::<i8>();
        self.sources[n] = address(to);
        let zero_point = self.p.input_zero_point as i8;
        let gap = if self.division.direct { 4 * self.fill.len() - self.division.run } else { 0 };
        for &line in &*self.lines {
            let line = core::ptr::with_exposed_provenance::<i8>(line as usize);
            let [before, inside, after] = if line.is_null() { [bytes.iter().sum(), 0, 0] } else { bytes };
            // SAFETY: the three parts are a row of taps, and `division.words` has room for all rows of taps, each with its
            // gap; `line` is the address of `width · inputs` values, of which taps `outside` on for `inside` are read.
            unsafe {
                to = fill(to, zero_point, before);
                to = copy(to, line.wrapping_add(left.wrapping_add(outside).wrapping_mul(inputs)), inside);
                to = fill(to, zero_point, after).add(gap);
            }
        }
    }
}

/// Copies `count` values; returns the place behind them.
///
/// # Safety
/// Both must be valid for them.
unsafe fn copy(mut to: *mut i8, mut from: *const i8, mut count: usize) -> *mut i8 {
    // SAFETY: as the caller promises. Unaligned words are allowed on these cores.
    unsafe {
        while count >= 4 {
            to.cast::<u32>().write_unaligned(from.cast::<u32>().read_unaligned());
            (from, to, count) = (from.add(4), to.add(4), count - 4);
        }
        while count > 0 {
            to.write(from.read());
            (from, to, count) = (from.add(1), to.add(1), count - 1);
        }
    }
    to
}

/// Writes `count` times the same value; returns the place behind them.
///
/// # Safety
/// `to` must be valid for them.
unsafe fn fill(mut to: *mut i8, value: i8, count: usize) -> *mut i8 {
    for _ in 0..count {
        // SAFETY: as the caller promises. Volatile: a call of `memset` costs more than these few.
        unsafe { to.write_volatile(value) };
        to = to.wrapping_add(1);
    }
    to
}
