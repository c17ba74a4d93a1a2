//! Depthwise convolutions: every output is one product of vectors, of a channel's taps and its weights.

use core::ops::Range;
use core::ptr;

use tanbo_packing::Kind;
use tanbo_packing::mve::{self, GROUP, HEAD_WORDS, MVE, RECORD_WORDS};
use tanbo_quant::Rounding;

use super::gemm::Mode;
use crate::{KernelResult, LengthError, Packed, Rows, RowsMut};

/// Parameters of `tanbo_mve_depthwise_*`, in the order that depthwise.s reads.
#[repr(C)]
struct Depthwise {
    ring: *const u8,
    channel: usize,
    out: *mut i8,
    out_step: usize,
    records: *const i32,
    zero_point: i32,
    weights: *const i8,
    /// Bytes of a channel's weights.
    pitch: usize,
    width: usize,
    end: *const i32,
    hop: usize,
    out_hop: usize,
    step: usize,
    single: usize,
    low: i32,
    high: i32,
    height: usize,
    /// Tap of slot 0.
    start: usize,
}

/// Parameters of `tanbo_mve_ring_row`, in the order that depthwise.s reads.
#[repr(C)]
struct RingRow {
    destination: *mut u8,
    source: *const i8,
    width: usize,
    channels: usize,
    channel: usize,
    height: usize,
}

unsafe extern "C" {
    fn tanbo_mve_depthwise_cut_3(params: *const Depthwise);
    fn tanbo_mve_depthwise_cut_6(params: *const Depthwise);
    fn tanbo_mve_depthwise_single_3(params: *const Depthwise);
    fn tanbo_mve_depthwise_single_6(params: *const Depthwise);
    fn tanbo_mve_depthwise_any(params: *const Depthwise);
    fn tanbo_mve_depthwise_wide(params: *const Depthwise);
    fn tanbo_mve_ring_row(params: *const RingRow);
    fn tanbo_mve_fill(destination: *mut u8, count: usize, value: i32, pitch: usize);
}

/// Writes `value` to every `pitch`-th byte, `pitch` up to 16.
pub(super) fn fill(destination: &mut [u8], pitch: usize, value: i8) {
    // SAFETY: the kernel writes as many bytes as lie `pitch` apart within `destination`; the last of its 16 offsets is
    // below 256.
    unsafe {
        tanbo_mve_fill(destination.as_mut_ptr(), destination.len().div_ceil(pitch), i32::from(value), pitch);
    }
}

/// Computes output rows `rows`.
pub(super) fn run(
    p: &Packed<'_>,
    input: Rows<'_>,
    output: &mut RowsMut<'_>,
    rows: Range<usize>,
    scratch: &mut [u8],
) -> KernelResult {
    let s = &p.shape;
    let ([input_height, width, channels], [height, output_width, outputs]) = (s.input, s.output);
    let layout =
        mve::Depthwise::of(Kind::DepthwiseConv2d, s).filter(|_| p.packing == MVE.packing).ok_or(LengthError)?;
    let lengths = (width.checked_mul(channels), output_width.checked_mul(outputs));
    let ring = scratch.get_mut(..layout.bytes).ok_or(LengthError)?;
    let (&[greatest_shift], records) = p.records.split_first_chunk::<HEAD_WORDS>().ok_or(LengthError)?;
    let groups = outputs.div_ceil(GROUP);
    let pitch = layout.weights;
    let constants = p.weights.len() == groups * GROUP * pitch && records.len() == groups * RECORD_WORDS;
    if !constants || lengths != (Some(input.row_len()), Some(output.row_len())) || rows.end > height {
        return Err(LengthError);
    }

    let [kernel_h, _] = s.kernel;
    let ([stride_h, stride_w], [pad_h, pad_w]) = (s.stride, s.pad);
    let step = stride_w * kernel_h;
    let short = layout.ring && p.range.low == i32::from(i8::MIN) && p.range.high == i32::from(i8::MAX);
    let kernel: unsafe extern "C" fn(*const Depthwise) = match (Mode::of(&p.range, greatest_shift), step) {
        (Mode::Cut, 3) if short => tanbo_mve_depthwise_cut_3,
        (Mode::Cut, 6) if short => tanbo_mve_depthwise_cut_6,
        (Mode::Single, 3) if short => tanbo_mve_depthwise_single_3,
        (Mode::Single, 6) if short => tanbo_mve_depthwise_single_6,
        _ if layout.ring => tanbo_mve_depthwise_any,
        _ => tanbo_mve_depthwise_wide,
    };
    let zero_point = p.input_zero_point as i8;
    // The image's columns that lie in the ring.
    let columns = width.min(layout.columns.saturating_sub(pad_w));
    let mut params = Depthwise {
        ring: ptr::null(),
        channel: layout.channel,
        out: ptr::null_mut(),
        out_step: outputs,
        records: ptr::null(),
        zero_point: p.range.zero_point,
        weights: ptr::null(),
        pitch,
        width: output_width,
        end: ptr::null(),
        hop: (GROUP * layout.channel).wrapping_sub(output_width * step),
        out_hop: GROUP.wrapping_sub(output_width * outputs),
        step,
        single: usize::from(p.range.rounding == Rounding::Single),
        low: p.range.low.wrapping_sub(p.range.zero_point),
        high: p.range.high.wrapping_sub(p.range.zero_point),
        height: kernel_h,
        start: 0,
    };
    for row in rows {
        // Rows are counted from the padding above the image; of a ring, row r lies in slot r mod kernel height.
        let (first, mut held) = (row * stride_h, 0);
        let turn = if layout.ring { first % kernel_h } else { 0 };
        if row == 0 {
            fill(ring, 1, zero_point);
        } else if layout.ring {
            held = kernel_h.saturating_sub(stride_h);
        }
        for tap in held..kernel_h {
            let slot = (tap + turn) % kernel_h;
            match (first + tap * s.dilation[0]).checked_sub(pad_h).filter(|&y| y < input_height) {
                Some(y) if columns > 0 => {
                    let source = input.row(y).get(..width * channels).ok_or(LengthError)?;
                    for copy in 0..layout.multiplier {
                        let destination = &mut ring[copy * layout.channel + pad_w * kernel_h + slot..];
                        let params = RingRow {
                            destination: destination.as_mut_ptr(),
                            source: source.as_ptr(),
                            width: columns,
                            channels,
                            channel: layout.channel * layout.multiplier,
                            height: kernel_h,
                        };
                        // SAFETY: `columns` times `channels` values of the row are read; column `pad_w + columns - 1` lies
                        // in the ring, and so do the channels, which have `multiplier` copies of `layout.channel` bytes.
                        unsafe { tanbo_mve_ring_row(&params) }
                    }
                }
                // Before row 0 the whole ring is padding.
                None if row > 0 => fill(&mut ring[slot..layout.channel * outputs], kernel_h, zero_point),
                _ => {}
            }
        }
        params.start = (kernel_h - turn) % kernel_h;
        let out = output.row_mut(row);
        let mut run = |first: usize, end: usize, channel: usize| {
            params.ring = ring[channel * layout.channel..].as_ptr();
            params.out = out[channel..].as_mut_ptr();
            params.weights = p.weights[first * GROUP * pitch..].as_ptr();
            params.records = records[first * RECORD_WORDS..].as_ptr();
            params.end = records[end * RECORD_WORDS..].as_ptr();
            // SAFETY: the ring holds `outputs` channels and a vector more; the output row, whose length is checked,
            // `output_width` pixels of them; weights and records hold groups up to `end`.
            unsafe { kernel(&params) }
        };
        run(0, outputs / GROUP, 0);
        if !outputs.is_multiple_of(GROUP) {
            run(groups - 1, groups, outputs - GROUP);
        }
    }
    Ok(())
}
