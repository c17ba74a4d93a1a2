//! Packing for AVX2 and VNNI: weights in the order in which the kernels load them, records by lane.

use alloc::vec;
use alloc::vec::Vec;

use tanbo_packing::winograd::{AVX2_WINOGRAD, BLOCK, PATCH, POINTS, TILE, VNNI_WINOGRAD, Winograd};
use tanbo_packing::x86::{AVX2, AVX2_FAMILY, Conv, Depthwise, Family, HEADER_WORDS, LANE_WORDS, VNNI, VNNI_FAMILY};
use tanbo_packing::{Kind, Layout};
use tanbo_quant::{Multiplier, Rounding};

use super::line::Line;
use super::{BENT, GENERAL, HIGH, LINE, SIGNED, SUM};
use crate::pack::{PackedConstants, Source};

/// Packs a step for AVX2.
pub fn avx2(source: &Source<'_>) -> Option<PackedConstants> {
    let packed = if pays(source, 28, 24, 22) { winograd(&AVX2_FAMILY, &AVX2_WINOGRAD, source) } else { None };
    packed.or_else(|| pack(&AVX2_FAMILY, &AVX2, source))
}

/// Packs a step for VNNI.
pub fn vnni(source: &Source<'_>) -> Option<PackedConstants> {
    let packed = if pays(source, 32, 64, 11) { winograd(&VNNI_FAMILY, &VNNI_WINOGRAD, source) } else { None };
    packed.or_else(|| pack(&VNNI_FAMILY, &VNNI, source))
}

fn pack(family: &Family, layout: &Layout, source: &Source<'_>) -> Option<PackedConstants> {
    let sizes = (layout.sizes)(source.kind, source.shape)?;
    let outputs = source.shape.output[2];
    let taps = source.weights.len() / outputs;
    // A zero point outside int8 could not be copied.
    i8::try_from(source.input_zero_point).ok()?;
    let weight = |output: usize, tap: usize| {
        let at = match source.kind {
            Kind::Conv2d => output * taps + tap,
            Kind::DepthwiseConv2d => tap * outputs + output,
        };
        if output < outputs && tap < taps { source.weights.get(at).copied() } else { Some(0) }
    };
    let mut lanes = Vec::with_capacity(outputs);
    for output in 0..outputs {
        // The kernels of VNNI take activations plus 128; those of AVX2 less the zero point.
        let more = if family.activation_bytes == 1 { 128 } else { -i64::from(source.input_zero_point) };
        let weights = (0..taps).map(|tap| weight(output, tap).unwrap_or(0));
        let (bias, bound) = moved_bias(source, weights, output, more)?;
        lanes.push(Lane::new(source, source.multipliers.get(output), bias, bound)?);
    }
    let mode = lines(family, source, &mut lanes, 1).or_else(|| lanes.iter().map(|lane| lane.mode).max())?;
    if mode == GENERAL {
        for (output, lane) in lanes.iter_mut().enumerate() {
            lane.generalize(source, source.multipliers.get(output))?;
        }
    }
    let mut records = vec![0i32; HEADER_WORDS];
    records[0] = mode;
    let weights = match source.kind {
        Kind::Conv2d => {
            let conv = Conv::new(family, source.shape)?;
            for register in 0..conv.lanes / family.lanes {
                push_lanes(&mut records, &lanes, mode, (0..family.lanes).map(|lane| register * family.lanes + lane));
            }
            conv_weights(family, &conv, weight)?
        }
        Kind::DepthwiseConv2d => {
            let depthwise = Depthwise::new(family, source.shape)?;
            for block in 0..depthwise.period {
                for register in 0..family.block / family.lanes {
                    push_lanes(
                        &mut records,
                        &lanes,
                        mode,
                        (0..family.lanes).map(|lane| depthwise_channel(family, &depthwise, block, register, lane)),
                    );
                }
            }
            depthwise_weights(family, &depthwise, source, weight)?
        }
    };
    debug_assert_eq!((weights.len(), records.len()), (sizes.weight_bytes, sizes.record_words));
    Some(PackedConstants { packing: layout.packing, weights, records })
}

/// Returns whether the kernels of `winograd` take less time for a step than the others do: cycles as measured, from the
/// products that each does in one, and those that an output channel of a tile takes besides.
fn pays(source: &Source<'_>, winograd: u128, direct: u128, finish: u128) -> bool {
    let (Some(division), false) = (Winograd::new(source.kind, source.shape), source.by_rows) else { return false };
    let [_, _, channels] = source.shape.input.map(|length| length as u128);
    let [height, width, outputs] = source.shape.output.map(|length| length as u128);
    let products = channels * outputs;
    let tile = POINTS as u128 * products / winograd + 6 * channels + finish * outputs;
    let pixel = 9 * products / direct + 9 * outputs / 16;
    division.tiles as u128 * height.div_ceil(TILE as u128) * tile < height * width * pixel
}

/// Packs a 3x3 convolution for the kernels of `winograd`, if they are exact.
fn winograd(family: &Family, layout: &Layout, source: &Source<'_>) -> Option<PackedConstants> {
    let sizes = (layout.sizes)(source.kind, source.shape)?;
    let ([_, _, channels], [_, _, outputs]) = (source.shape.input, source.shape.output);
    i8::try_from(source.input_zero_point).ok()?;
    let taps = 9 * channels;
    let mut lanes = Vec::with_capacity(outputs);
    for (output, weights) in source.weights.chunks_exact(taps).enumerate() {
        let (bias, bound) = moved_bias(source, weights.iter().copied(), output, 0)?;
        lanes.push(Lane::spared(source, source.multipliers.get(output), bias, bound)?);
    }
    let mode = lines(family, source, &mut lanes, 576).or_else(|| lanes.iter().map(|lane| lane.mode).max())?;
    let mut records = vec![0i32; HEADER_WORDS];
    records[0] = mode;
    let form = if mode == SIGNED { HIGH } else { mode };
    for register in 0..outputs / family.lanes {
        push_lanes(&mut records, &lanes, form, (0..family.lanes).map(|lane| register * family.lanes + lane));
    }
    // A channel's transformed taps: 36 numbers.
    let points = |output: usize, channel: usize| {
        const ROWS: [[i32; 3]; PATCH] = [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 12]];
        let tap = |ky: usize, kx: usize| {
            source.weights.get(output * taps + (ky * 3 + kx) * channels + channel).map(|&w| i32::from(w))
        };
        let mut points = [0i16; POINTS];
        for (point, value) in points.iter_mut().enumerate() {
            let (down, across) = (ROWS[point / PATCH], ROWS[point % PATCH]);
            let mut sum = 0;
            for (ky, row) in down.into_iter().enumerate() {
                for (kx, column) in across.into_iter().enumerate() {
                    sum += row * column * tap(ky, kx)?;
                }
            }
            *value = i16::try_from(sum).ok()?;
        }
        Some(points)
    };
    let mut weights = vec![0i8; sizes.weight_bytes];
    for output in 0..outputs {
        for channel in 0..channels {
            let (block, lane) = (output / BLOCK, output % BLOCK);
            for (point, value) in points(output, channel)?.into_iter().enumerate() {
                let row = (block * PATCH + point / PATCH) * (channels / 2) + channel / 2;
                let at = (((row * PATCH + point % PATCH) * BLOCK + lane) * 2 + channel % 2) * 2;
                let place = weights.get_mut(at..at + 2)?;
                place.copy_from_slice(&value.to_le_bytes().map(|byte| byte as i8));
            }
        }
    }
    debug_assert_eq!(records.len(), sizes.record_words);
    Some(PackedConstants { packing: layout.packing, weights, records })
}

/// Finds the lines of all channels, whose accumulators come `factor` times as large, and returns how they are requantized.
fn lines(family: &Family, source: &Source<'_>, lanes: &mut [Lane], factor: i64) -> Option<i32> {
    if family.lanes != VNNI_FAMILY.lanes {
        return None;
    }
    let mut mode = LINE;
    for (output, lane) in lanes.iter_mut().enumerate() {
        let line = Line::new(source.multipliers.get(output), &source.range, lane.bound, factor)?;
        if line.bends() {
            mode = BENT;
        }
        lane.line = Some(line);
    }
    Some(mode)
}

/// Returns the bias for activations that are larger than the kernels of the reference take them by the zero point and
/// `more`, and the largest magnitude of the accumulator.
fn moved_bias(source: &Source<'_>, weights: impl Iterator<Item = i8>, output: usize, more: i64) -> Option<(i32, i64)> {
    let zero_point = i64::from(source.input_zero_point);
    let (least, most) = (-128 - zero_point, 127 - zero_point);
    let bias = i64::from(*source.bias.get(output)?);
    let (mut sum, mut low, mut high) = (0i64, bias, bias);
    for w in weights.map(i64::from) {
        sum += w;
        low += (w * least).min(w * most);
        high += (w * least).max(w * most);
    }
    Some(((bias - (zero_point + more) * sum) as i32, high.max(-low)))
}

/// `[block of registers][group][register][lane][value of the group]`.
fn conv_weights(family: &Family, conv: &Conv, weight: impl Fn(usize, usize) -> Option<i8>) -> Option<Vec<i8>> {
    let mut weights = Vec::new();
    let registers = conv.lanes / family.lanes;
    let mut first = 0;
    while first < registers {
        let count = conv.registers.min(registers - first);
        for run in 0..conv.runs[0].0 * conv.runs[1].0 {
            for group in 0..conv.groups {
                for lane in 0..count * family.lanes {
                    let output = first * family.lanes + lane;
                    for value in 0..family.group {
                        let at = group * family.group + value;
                        let w = if at < conv.run_len { weight(output, run * conv.run_len + at)? } else { 0 };
                        push_weight(conv.weight_bytes, &mut weights, w);
                    }
                }
            }
        }
        first += count;
    }
    Some(weights)
}

/// `[block][group of taps][register][lane][tap of the group]`.
fn depthwise_weights(
    family: &Family,
    depthwise: &Depthwise,
    source: &Source<'_>,
    weight: impl Fn(usize, usize) -> Option<i8>,
) -> Option<Vec<i8>> {
    let mut weights = Vec::new();
    for block in 0..depthwise.period {
        for group in 0..depthwise.taps / family.group {
            for register in 0..family.block / family.lanes {
                for lane in 0..family.lanes {
                    let channel = depthwise_channel(family, depthwise, block, register, lane);
                    for tap in group * family.group..(group + 1) * family.group {
                        let w = match depthwise.tap(family, source.shape, tap) {
                            Some([ky, kx]) => weight(channel, ky * source.shape.kernel[1] + kx)?,
                            None => 0,
                        };
                        push_weight(family.weight_bytes, &mut weights, w);
                    }
                }
            }
        }
    }
    Some(weights)
}

fn push_weight(bytes: usize, weights: &mut Vec<i8>, w: i8) {
    match bytes {
        1 => weights.push(w),
        _ => weights.extend(i16::from(w).to_le_bytes().map(|byte| byte as i8)),
    }
}

/// Returns the channel (of those filled up) in a lane of a depthwise block: the interleaving instructions work on 16 bytes at
/// a time, and the packing ones undo their order.
fn depthwise_channel(family: &Family, depthwise: &Depthwise, block: usize, register: usize, lane: usize) -> usize {
    let registers = family.block / family.lanes;
    let per_part = 4 * registers;
    let element = lane / 4 * per_part + register * 4 + lane % 4;
    (block * family.block + element) % depthwise.channels
}

/// Appends the records of a register's lanes, word by word; lanes beyond the channels are zeros.
///
/// Words: bias, mantissa, right shift, addend, addend, left shift, mask of the sign, mantissa. The addends are 64-bit numbers,
/// those of the even lanes and then those of the odd ones, except in [`HIGH`], where the first is that of the lane in 32 bits;
/// the last word has the mantissas of the odd lanes in the even ones. Of a line ([`LINE`], [`BENT`]) mantissa and addends are
/// floats, one of each lane.
fn push_lanes(records: &mut Vec<i32>, lanes: &[Lane], mode: i32, channels: impl Iterator<Item = usize>) {
    const NONE: Lane =
        Lane { mode: HIGH, bound: 0, bias: 0, mantissa: 0, right: 0, high: 0, low: 0, left: 0, mask: 0, line: None };
    let lanes: Vec<&Lane> = channels.map(|channel| lanes.get(channel).unwrap_or(&NONE)).collect();
    for word in 0..LANE_WORDS {
        for pair in lanes.chunks_exact(2) {
            let [even, odd] = [pair[0], pair[1]];
            if mode == LINE || mode == BENT {
                records.extend([even, odd].map(|lane| match (word, lane.line) {
                    (0, _) => lane.bias,
                    (1, Some(line)) => line.scale.to_bits() as i32,
                    (3, Some(line)) => line.addends[0].to_bits() as i32,
                    (4, Some(line)) => line.addends[1].to_bits() as i32,
                    _ => 0,
                }));
                continue;
            }
            records.extend(match word {
                0 => [even.bias, odd.bias],
                1 => [even.mantissa, odd.mantissa],
                2 => [even.right, odd.right],
                3 if mode == HIGH => [even.high, odd.high],
                3 => [even.low, even.high],
                4 => [odd.low, odd.high],
                5 => [even.left, odd.left],
                6 => [even.mask, odd.mask],
                _ => [odd.mantissa, 0],
            });
        }
    }
}

/// The record of an output channel: how its accumulator is requantized.
struct Lane {
    mode: i32,
    /// The accumulator's largest magnitude.
    bound: i64,
    bias: i32,
    mantissa: i32,
    right: i32,
    high: i32,
    low: i32,
    left: i32,
    mask: i32,
    line: Option<Line>,
}

impl Lane {
    fn new(source: &Source<'_>, multiplier: Multiplier, bias: i32, bound: i64) -> Option<Self> {
        let Multiplier { mantissa, shift } = multiplier;
        let right = -shift;
        let (mode, high, low) = match source.range.rounding {
            Rounding::Single if right >= 2 => (HIGH, 1 << (right - 2), 0),
            Rounding::Single if right == 1 => (SUM, 0, 1 << 31),
            // Whatever is below the zero point becomes it, so that only what rounds up matters.
            Rounding::Tflite if right >= 2 && source.range.low >= source.range.zero_point => {
                (SUM, 1 << (right - 2), 1 << 30)
            }
            Rounding::Tflite if right == 1 && source.range.low >= source.range.zero_point => (SUM, 0, 3u32 << 30),
            _ => (GENERAL, 0, 0),
        };
        Some(Self {
            mode,
            bound,
            bias,
            mantissa,
            right: right - 1,
            high,
            low: low as i32,
            left: 0,
            mask: 0,
            line: None,
        })
    }

    /// Returns the record of an accumulator that comes 64 times as large, with its bias 576 times: see `winograd`.
    fn spared(source: &Source<'_>, multiplier: Multiplier, bias: i32, bound: i64) -> Option<Self> {
        let Multiplier { mantissa, shift } = multiplier;
        let right = -shift;
        if bound >= 1 << 25 || right > 25 {
            return None;
        }
        let clamped = source.range.low >= source.range.zero_point;
        let (mode, high, mask) = match source.range.rounding {
            Rounding::Single if right >= -4 => (HIGH, 1 << (right + 4), 0),
            Rounding::Tflite if right == 0 => (HIGH, 16, 0),
            Rounding::Tflite if right >= 1 && clamped => (HIGH, 16 + (1 << (right + 4)), 0),
            Rounding::Tflite if right >= 1 => (SIGNED, 16 + (1 << (right + 4)), -32),
            _ => return None,
        };
        let bias = bias.wrapping_mul(576);
        Some(Self { mode, bound, bias, mantissa, right: right + 5, high, low: 0, left: 0, mask, line: None })
    }

    /// Rewrites the record for the general form, if that cannot wrap.
    fn generalize(&mut self, source: &Source<'_>, multiplier: Multiplier) -> Option<()> {
        let Multiplier { mantissa, shift } = multiplier;
        let right = -shift;
        let (left, down, high, low, mask) = match source.range.rounding {
            Rounding::Single if right >= 2 => (0, right - 1, 1 << (right - 2), 0, 0),
            Rounding::Tflite if right >= 1 => (1, right, 1 << (right - 1), 1u32 << 31, -1),
            _ => (1 - right, 0, 0, 1u32 << 31, 0),
        };
        if left > 30 || self.bound << left > 1 << 30 {
            return None;
        }
        *self = Self { mantissa, right: down, high, low: low as i32, left, mask, ..*self };
        Some(())
    }
}
