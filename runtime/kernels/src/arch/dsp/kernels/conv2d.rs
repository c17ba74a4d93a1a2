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
    // By reference: taken out of the option, it would be copied.
    let division = &dsp::Conv2d::new(kind, &p.shape);
    let division = division.as_ref().ok_or(LengthError)?;
    super::check(&division.sizes().ok_or(LengthError)?, p, &input, output)?;
    let dsp::Scratch { patch, sources, lines, fill, gathered } = division.scratch;
    let (patch, scratch) = words(scratch).split_at_mut_checked(patch).ok_or(LengthError)?;
    let (sources, scratch) = scratch.split_at_mut_checked(sources).ok_or(LengthError)?;
    let (lines, scratch) = scratch.split_at_mut_checked(lines).ok_or(LengthError)?;
    let (fill, scratch) = scratch.split_at_mut_checked(fill).ok_or(LengthError)?;
    let gathered = scratch.get_mut(..gathered).ok_or(LengthError)?;
    fill.fill(u32::from_ne_bytes([p.input_zero_point as u8; 4]));
    let steps = division.words;
    let tile = tile::Tile {
        records: p.records.as_ptr(),
        patch: patch.as_mut_ptr(),
        weights: p.weights.as_ptr(),
        blocks: steps.div_ceil(4),
        skip: steps.wrapping_neg() % 4,
        tflite: usize::from(p.range.rounding == Rounding::Tflite),
        channels: p.shape.output[2],
        output: core::ptr::null_mut(),
        stride: p.shape.output[2],
    };
    let [columns, width] = [p.shape.output[1], p.shape.input[1]];
    let whole = whole(p, division);
    let mut work = Work { p, division, columns, width, whole, input, tile, sources, lines, fill, gathered };
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
    /// Output columns, and input columns that they come from: of a row, or of several that need not be told apart.
    columns: usize,
    width: usize,
    /// Output columns whose patches can be read where they lie.
    whole: Range<usize>,
    input: Rows<'a>,
    tile: tile::Tile,
    /// For each run of a patch a pointer per pixel.
    sources: &'a mut [u32],
    /// Addresses of the input rows under the kernel, 0 for those outside.
    lines: &'a mut [u32],
    fill: &'a [u32],
    gathered: &'a mut [u32],
}

impl<'a> Work<'a> {
    /// Computes rows that follow one another in `output`.
    fn rows(&mut self, rows: Range<usize>, output: &mut [i8]) {
        let outputs = self.p.shape.output[2];
        let (mut row, mut column) = (rows.start, 0);
        match self.flat(&rows) {
            Some(run) => {
                let (inputs, bytes) = (self.p.shape.input[2], 4 * self.division.scratch.fill);
                self.columns = output.len() / outputs;
                self.width = self.columns;
                self.whole = 0..run.len().checked_sub(bytes).map_or(0, |left| left / inputs + 1);
                self.lines[0] = address(run.as_ptr());
            }
            _ => self.begin(row),
        }
        let mut rest = &mut *output;
        while !rest.is_empty() {
            if column == self.columns {
                (row, column) = (row + 1, 0);
                self.begin(row);
            }
            let left = rest.len() / outputs;
            let mut whole = if self.whole.start <= column { self.whole.end.saturating_sub(column) / 3 } else { 0 };
            // Two and two rather than three and one.
            if whole > 0 && 3 * whole + 1 == left {
                whole -= 1;
            }
            if whole > 0 {
                let pixels;
                (pixels, rest) = core::mem::take(&mut rest).split_at_mut(3 * whole * outputs);
                self.triples(column, pixels);
                column += 3 * whole;
                continue;
            }
            let count = if left == 4 { 2 } else { left.min(3) };
            let pixels;
            (pixels, rest) = core::mem::take(&mut rest).split_at_mut(count * outputs);
            // One pixel of several goes as two, both written to the same place.
            let twice = count == 1 && self.division.lanes == 2;
            let places = if twice { 2 } else { count };
            for n in 0..places {
                if column == self.columns {
                    (row, column) = (row + 1, 0);
                    self.begin(row);
                }
                if self.gathered.is_empty() {
                    self.find(n, places, column);
                } else {
                    self.gather(n, column);
                }
                column += usize::from(!twice || n > 0);
            }
            self.tile.output = pixels.as_mut_ptr();
            self.tile.stride = if twice { 0 } else { outputs };
            if self.gathered.is_empty() {
                self.compute(places, self.sources.len() / self.division.pixels, self.p.shape.input[2] / 4);
            } else {
                self.compute(places, 1, self.division.words);
            }
        }
        clamp(&self.p.range, output);
    }

    /// Returns the input of `rows` if it is one run of pixels that become one output pixel each.
    fn flat(&self, rows: &Range<usize>) -> Option<&'a [i8]> {
        let shape = &self.p.shape;
        let alone = shape.kernel == [1, 1] && shape.stride == [1, 1] && shape.pad == [0, 0];
        if alone && shape.input[..2] == shape.output[..2] { self.input.contiguous(rows.clone()) } else { None }
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

    /// Computes pixels of a row by threes from `column` on, whose patches can be read where they lie.
    fn triples(&mut self, mut column: usize, output: &mut [i8]) {
        let [inputs, outputs] = [self.p.shape.input[2], self.p.shape.output[2]];
        let fill = address(self.fill.as_ptr().cast());
        let step = (self.p.shape.stride[1] * inputs) as u32;
        self.tile.stride = outputs;
        for pixels in output.chunks_exact_mut(3 * outputs) {
            let first = self.left(column).wrapping_mul(inputs) as u32;
            for (sources, &line) in self.sources.as_chunks_mut().0.iter_mut().zip(&*self.lines) {
                *sources = match line {
                    0 => [fill; 3],
                    _ => [0, 1, 2].map(|n: u32| line.wrapping_add(first).wrapping_add(n.wrapping_mul(step))),
                };
            }
            column += 3;
            self.tile.output = pixels.as_mut_ptr();
            self.compute(3, self.lines.len(), self.fill.len());
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
                let inside = line != 0 && x < self.width;
                self.sources[at] = if inside { line.wrapping_add((x * inputs) as u32) } else { fill };
                at += count;
                x = x.wrapping_add(dilation);
            }
        }
    }

    /// Copies the patch of pixel `n`, with zero points outside the input. What fills a run up to a word stays as it was: its
    /// weights are 0.
    fn gather(&mut self, n: usize, column: usize) {
        let (inputs, width) = (self.p.shape.input[2], self.width);
        let taps = self.p.shape.kernel[1];
        let left = self.left(column);
        // Of the taps of a row some are to the left of the input, then some are inside.
        let outside = if left < width { 0 } else { left.wrapping_neg().min(taps) };
        let inside = (taps - outside).min(width - left.wrapping_add(outside).min(width));
        let bytes = [outside * inputs, inside * inputs, (taps - outside - inside) * inputs];
        let start = n * self.division.words;
        let mut to = self.gathered[start..start + self.division.words].as_mut_ptr().cast::<i8>();
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

    /// Prepares the patches of `count` pixels, `runs` of `words` each, and computes their channels.
    fn compute(&mut self, count: usize, runs: usize, words: usize) {
        let (patch, sources) = (self.tile.patch, self.sources.as_ptr().cast::<*const i8>());
        let tile = &self.tile;
        // SAFETY: `rows` wrote `runs · count` pointers, each to `words` words of the input, of `fill` or of `gathered`; the
        // runs make up `division.words` words, for which `patch` has twice the room; `run` compared weights and records with
        // the packing's lengths; `tile.output` has `count` pixels of all channels. No count is 0: see `dsp::Conv2d::new`.
        unsafe {
            match count {
                1 => patch::one(patch, sources, runs, words),
                2 => patch::two(patch, sources, runs, words),
                _ => patch::three(patch, sources, runs, words),
            }
            match count {
                1 => tile::one_by_four(tile),
                2 => tile::two(tile),
                _ => tile::three(tile),
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
