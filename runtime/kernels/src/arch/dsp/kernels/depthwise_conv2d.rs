//! Depthwise convolutions with one output channel per input channel: 3×3 by prepared rows, other windows tap by tap.

use core::ops::Range;

use tanbo_packing::{Kind, dsp};
use tanbo_quant::Rounding;

use super::{address, clamp, conv2d, line, taps, window3x3, words};
use crate::{KernelResult, LengthError, Packed, Rows, RowsMut};

/// Computes output rows.
pub fn run(
    p: &Packed<'_>,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
) -> KernelResult {
    let Some(division) = dsp::Depthwise::new(Kind::DepthwiseConv2d, &p.shape) else {
        return conv2d::run(Kind::DepthwiseConv2d, p, input, output, rows, scratch);
    };
    let sizes = division.sizes().ok_or(LengthError)?;
    super::check(dsp::DSP.packing, &sizes, p, &input, output)?;
    let scratch = words(scratch).get_mut(..sizes.scratch_bytes / 4).ok_or(LengthError)?;
    let zero_point = p.input_zero_point as i8;
    match division.prepared {
        Some(_) => {
            // Column pairs that the assembly does not write: they lie to the right of the input.
            let columns = p.shape.pad[1] + columns(p);
            let outside = scratch.get_mut(columns.div_ceil(2) * dsp::Depthwise::PAIR..).unwrap_or_default();
            outside.fill(u32::from(zero_point as i16 as u16) * 0x0001_0001);
        }
        None => scratch[division.taps..].fill(u32::from(zero_point as u8) * 0x0101_0101),
    }
    let channels = p.shape.input[2];
    let whole = channels / 4 * 4;
    for row in rows {
        let to = output.row_mut(row);
        let mut part = |first, count, group| match division.prepared {
            Some(_) => window(p, input, row, Part { first, count, group }, to, scratch),
            None => pixels(p, input, row, Part { first, count, group }, to, scratch, division.taps),
        };
        part(0, whole, 0);
        if whole < channels {
            part(channels - 4, 4, whole / 4);
        }
        clamp(&p.range, to);
    }
    Ok(())
}

/// Returns how many input columns 3×3 windows read.
fn columns(p: &Packed<'_>) -> usize {
    (p.shape.stride[1] * (p.shape.output[1] - 1) + 3 - p.shape.pad[1]).min(p.shape.input[1])
}

/// Channels that lie in groups of four of the packing.
struct Part {
    first: usize,
    /// Channels, a multiple of four.
    count: usize,
    /// Group of the first.
    group: usize,
}

/// Computes some channels of a row of 3×3 windows.
fn window(p: &Packed<'_>, input: Rows<'_>, row: usize, part: Part, output: &mut [i8], prepared: &mut [u32]) {
    let [height, _, channels] = p.shape.input;
    let output_width = p.shape.output[1];
    let left = p.shape.pad[1];
    // The row under the middle of the window: inside, see `dsp::Depthwise::new`.
    let middle = (row * p.shape.stride[0] + 1).saturating_sub(p.shape.pad[0]);
    let (above, below) = (middle.checked_sub(1), middle + 1 < height);
    let rows = [above.unwrap_or(middle), middle, middle + usize::from(below)];
    let (pairs, singles) = match p.shape.stride[1] {
        1 => (output_width / 2, output_width % 2),
        _ => (0, output_width),
    };
    let first = prepared.as_mut_ptr();
    let (rounds, odd) = if pairs > 0 { (pairs, singles) } else { (singles, 0) };
    let job = window3x3::Row {
        rows: rows.map(|y| input.row(y)[part.first..].as_ptr()),
        stride: channels,
        end: first.addr() + rounds * window3x3::PAIR_BYTES - odd,
        first,
        output: output[part.first..].as_mut_ptr(),
        channels: part.count,
        records: p.records[part.group * 36..].as_ptr(),
        step: channels,
        columns_end: columns(p) * channels,
        fill: u32::from_ne_bytes([p.input_zero_point as u8; 4]),
        zero_point: p.input_zero_point,
        left,
        outside: usize::from(above.is_none()) + 2 * usize::from(!below),
        entry: usize::from(p.range.rounding == Rounding::Tflite) + 2 * usize::from(pairs == 0),
    };
    // SAFETY: rows and output are `width` and `output_width` pixels long (`check`), of which four channels at a time are
    // read at `columns_end / step` pixels and written at `pairs · 2 + singles = output_width`; `prepared` has the pairs that
    // `columns` of them make up, the records nine words for each channel of the groups.
    unsafe { window3x3::row(&job) }
}

/// Computes some channels of a row of any windows.
fn pixels(
    p: &Packed<'_>,
    input: Rows<'_>,
    row: usize,
    part: Part,
    output: &mut [i8],
    scratch: &mut [u32],
    taps: usize,
) {
    let [_, width, channels] = p.shape.input;
    let [kernel_height, kernel_width] = p.shape.kernel;
    let (sources, fill) = scratch.split_at_mut(taps);
    for (x, pixel) in output.chunks_exact_mut(channels).enumerate() {
        let mut slots = sources.iter_mut();
        for ky in 0..kernel_height {
            let line = line(p, input, row, ky);
            for kx in 0..kernel_width {
                let Some(slot) = slots.next() else { return };
                let x = (x * p.shape.stride[1] + kx * p.shape.dilation[1]).wrapping_sub(p.shape.pad[1]);
                let source = if x < width { line.get(x * channels..(x + 1) * channels) } else { None };
                *slot = source.map_or(address(fill.as_ptr().cast()), |source| address(source.as_ptr()));
            }
        }
        let mut job = taps::Pixel {
            sources: sources.as_ptr().cast(),
            taps,
            at: part.first,
            weights: p.weights[part.group * taps * 8..].as_ptr(),
            records: p.records[part.group * 16..].as_ptr(),
            output: pixel[part.first..].as_mut_ptr(),
            channels: part.count,
            tflite: usize::from(p.range.rounding == Rounding::Tflite),
        };
        // SAFETY: each of the `taps` pointers is to `channels` values of the input or of `fill`; `part` lies in the channels,
        // its groups in weights and records, whose lengths `check` compared with the packing's.
        unsafe { taps::pixel(&mut job) }
    }
}
