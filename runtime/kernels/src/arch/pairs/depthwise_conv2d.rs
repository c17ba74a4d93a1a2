//! Depthwise convolutions: a channel's rows are gathered into a strip, padded, and its outputs computed four at a time.

use core::ops::Range;

use tanbo_packing::{Kind, pairs};

use super::Machine;
use crate::{KernelResult, LengthError, Packed, Rows, RowsMut};

/// Computes output rows.
pub(crate) fn depthwise_conv2d<M: Machine>(
    p: &Packed<'_>,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
) -> KernelResult {
    let sizes = (M::LAYOUT.sizes)(Kind::DepthwiseConv2d, &p.shape).ok_or(LengthError)?;
    let [_, x_width, channels] = p.shape.input;
    let [_, width, outputs] = p.shape.output;
    let fits = p.packing == M::LAYOUT.packing
        && (p.weights.len(), p.records.len()) == (sizes.weight_bytes, sizes.record_words)
        && Some(input.row_len()) == x_width.checked_mul(channels)
        && Some(output.row_len()) == width.checked_mul(outputs)
        && scratch.len() >= sizes.scratch_bytes
        && sizes.weight_bytes > 0;
    let [_, columns] = pairs::strip(&p.shape).filter(|_| fits).ok_or(LengthError)?;
    // SAFETY: any bits are an i8.
    let (_, strip, _) = unsafe { scratch.align_to_mut::<i8>() };
    let mut start = rows.start;
    while start < rows.end {
        let block = start..rows.end.min(start + pairs::STRIP_ROWS);
        strip.fill(p.input_zero_point as i8);
        let taps = p.shape.kernel[0] * p.shape.kernel[1];
        let channels_of = p.weights.chunks_exact(taps).zip(p.records.chunks_exact(M::DEPTHWISE_RECORD_WORDS));
        let (multiplier, mut since) = (outputs / channels, 0);
        let mut channel = 0;
        for (o, (weights, record)) in channels_of.enumerate() {
            if since == 0 {
                gather(p, input, &block, channel, columns, strip);
                channel += 1;
                since = multiplier;
            }
            since -= 1;
            for row in block.clone() {
                let line = (row - block.start) * p.shape.stride[0] * columns;
                let lines = Lines {
                    strip: strip.get(line..).unwrap_or_default(),
                    step: p.shape.dilation[0] * columns,
                    taps: p.shape.kernel[1],
                    stride: p.shape.stride[1],
                };
                let y = output.row_mut(row).get_mut(o..).unwrap_or_default();
                lines.outputs(weights, record[0], y, outputs, width, |accumulator| {
                    M::requantize(&record[1..], &p.range, accumulator)
                });
            }
        }
        start = block.end;
    }
    Ok(())
}

/// Copies what the rows of `block` read of a channel; the padding is there already.
fn gather(p: &Packed<'_>, input: Rows<'_>, block: &Range<usize>, channel: usize, columns: usize, strip: &mut [i8]) {
    let [height, _, channels] = p.shape.input;
    let [top, left] = p.shape.pad;
    let steps = (block.len() - 1) * p.shape.stride[0];
    let lines = steps + (p.shape.kernel[0] - 1) * p.shape.dilation[0] + 1;
    for (at, line) in strip.chunks_exact_mut(columns).take(lines).enumerate() {
        let row = (block.start * p.shape.stride[0] + at).wrapping_sub(top);
        if row < height
            && let Some(line) = line.get_mut(left..)
        {
            let x = input.row(row).get(channel..).unwrap_or_default();
            line.iter_mut().zip(x.iter().step_by(channels)).for_each(|(to, &x)| *to = x);
        }
    }
}

/// The lines of a strip from those on that an output row reads.
struct Lines<'a> {
    strip: &'a [i8],
    /// Distance between the lines of two kernel rows.
    step: usize,
    /// Width of the kernel.
    taps: usize,
    stride: usize,
}

impl Lines<'_> {
    /// Computes `width` outputs, `channels` apart.
    fn outputs(&self, weights: &[i8], bias: i32, y: &mut [i8], channels: usize, width: usize, to: impl Fn(i32) -> i8) {
        let mut y = y.iter_mut().step_by(channels);
        let mut column = 0;
        while column + 4 <= width {
            let at = column * self.stride;
            let sums = match (self.taps, self.stride) {
                (3, 1) => self.four::<3, 1>(weights, bias, at),
                (3, 2) => self.four::<3, 2>(weights, bias, at),
                _ => [0, 1, 2, 3].map(|n| self.one(weights, bias, at + n * self.stride)),
            };
            y.by_ref().zip(sums).for_each(|(y, sum)| *y = to(sum));
            column += 4;
        }
        for column in column..width {
            let sum = self.one(weights, bias, column * self.stride);
            if let Some(y) = y.next() {
                *y = to(sum);
            }
        }
    }

    fn four<const TAPS: usize, const STRIDE: usize>(&self, weights: &[i8], bias: i32, at: usize) -> [i32; 4] {
        let mut sums = [bias; 4];
        let mut at = at;
        for weights in weights.chunks_exact(TAPS) {
            let Some(x) = self.strip.get(at..).and_then(|rest| rest.get(..3 * STRIDE + TAPS)) else { break };
            for (tap, &w) in weights.iter().enumerate() {
                for (n, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.wrapping_add(i32::from(w) * i32::from(x[n * STRIDE + tap]));
                }
            }
            at += self.step;
        }
        sums
    }

    fn one(&self, weights: &[i8], bias: i32, at: usize) -> i32 {
        let mut sum = bias;
        let mut at = at;
        for weights in weights.chunks_exact(self.taps) {
            let x = self.strip.get(at..).unwrap_or_default();
            let products = weights.iter().zip(x).map(|(&w, &x)| i32::from(w) * i32::from(x));
            sum = products.fold(sum, i32::wrapping_add);
            at += self.step;
        }
        sum
    }
}
