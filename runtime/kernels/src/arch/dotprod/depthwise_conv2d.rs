//! Depthwise convolution of three by three taps, without strides, in blocks of 16 channels; any other is NEON's.

use core::ops::Range;

use tanbo_packing::Kind;
use tanbo_packing::arm::{Blocks, HEADER_WORDS, SLACK, Scratch};
use tanbo_packing::dotprod::{COLUMN_BYTES, LAYOUT, has_columns};
use tanbo_packing::neon::{DEPTHWISE_LANES, DEPTHWISE_WORDS};

use super::columns_3x3::{pair, transpose};
use crate::arch::arm::image::{self, Ring};
use crate::arch::arm::scaling;
use crate::arch::neon::depthwise_conv2d::{self, Line};
use crate::arch::neon::lanes::Bounds;
use crate::arch::neon::line_3x3;
use crate::{KernelResult, LengthError, Packed, Rows, RowsMut};

/// Computes output rows.
///
/// # Errors
/// Also on a CPU without the dot product.
pub fn run(
    p: &Packed<'_>,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
) -> KernelResult {
    if !has_columns(&p.shape) {
        return depthwise_conv2d::run(p, &LAYOUT, input, output, rows, scratch);
    }
    if !super::is_available() {
        return Err(LengthError);
    }
    image::check(p, &LAYOUT, Kind::DepthwiseConv2d, &input, output, scratch)?;
    match p.records.first().copied().unwrap_or_default() {
        scaling::SINGLE => all_rows::<{ scaling::SINGLE }>(p, input, output, rows, scratch),
        scaling::SINGLE_LEFT => all_rows::<{ scaling::SINGLE_LEFT }>(p, input, output, rows, scratch),
        scaling::TFLITE_POSITIVE => all_rows::<{ scaling::TFLITE_POSITIVE }>(p, input, output, rows, scratch),
        scaling::TFLITE => all_rows::<{ scaling::TFLITE }>(p, input, output, rows, scratch),
        _ => all_rows::<{ scaling::TFLITE_LEFT }>(p, input, output, rows, scratch),
    }
}

fn all_rows<const MODE: i32>(
    p: &Packed<'_>,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
) -> KernelResult {
    let place = Scratch::row_pairs(&p.shape).ok_or(LengthError)?;
    let [height, width, channels] = p.shape.output;
    let bounds = Bounds::new(&p.range);
    // Behind the ring and what is read beyond it.
    let (scratch, columns) = scratch.split_at_mut_checked(place.bytes).ok_or(LengthError)?;
    if columns.len() < (width + 2) * COLUMN_BYTES + SLACK {
        return Err(LengthError);
    }
    let columns = columns.as_mut_ptr().cast::<i8>();
    let mut ring = Ring::new(p, place, input, scratch)?;
    let mut row = rows.start;
    while row < rows.end {
        ring.advance(row);
        let lower = row + 1 < rows.end && !(row + 1).is_multiple_of(height);
        let mut four = [core::ptr::null(); 4];
        for (place, row) in four.iter_mut().zip(ring.rows(4)) {
            *place = row;
        }
        let mut y = [core::ptr::null_mut::<i8>(); 2];
        for (i, y) in y.iter_mut().enumerate() {
            let place = output.row_mut(row + usize::from(lower && i == 1));
            if place.len() != width * channels {
                return Err(LengthError);
            }
            *y = place.as_mut_ptr();
        }
        let mut weights = p.weights.as_ptr();
        let mut records = p.records.as_ptr().wrapping_add(HEADER_WORDS);
        for block in Blocks::new(channels, DEPTHWISE_LANES[0], DEPTHWISE_LANES[1]) {
            let line = Line {
                weights,
                records,
                column_step: channels,
                x_step: channels,
                first: block.first,
                y: y[0].wrapping_add(block.first),
                y_step: channels,
                width,
                bounds,
            };
            // SAFETY: the CPU has been asked; the padded rows hold what `width` outputs read, with more than 16 bytes behind them;
            // `columns` holds two more than outputs; the outputs' rows have been looked at, and blocks do not stick out, since
            // there are 16 channels at least; the packing has so many weights and records for each block.
            unsafe {
                if block.lanes == 16 {
                    transpose(four.map(|row| row.wrapping_add(block.first)), channels, columns, width + 2);
                    pair::<MODE>(&line, columns, y.map(|y| y.wrapping_add(block.first)));
                } else {
                    let [a, b, c, d] = four;
                    line_3x3::eight::<MODE>(&line, [a, b, c]);
                    if lower {
                        let line = Line { y: y[1].wrapping_add(block.first), ..line };
                        line_3x3::eight::<MODE>(&line, [b, c, d]);
                    }
                }
            }
            weights = weights.wrapping_add(if block.lanes == 16 { 6 * COLUMN_BYTES } else { 9 * block.lanes });
            records = records.wrapping_add(block.lanes * DEPTHWISE_WORDS);
        }
        row += 1 + usize::from(lower);
    }
    Ok(())
}
