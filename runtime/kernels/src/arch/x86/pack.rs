//! Packing for AVX2 and VNNI: weights in the order in which the kernels load them, records by lane.

use alloc::vec;
use alloc::vec::Vec;

use tanbo_packing::x86::{AVX2, AVX2_FAMILY, Conv, Depthwise, Family, HEADER_WORDS, LANE_WORDS, VNNI, VNNI_FAMILY};
use tanbo_packing::{Kind, Layout};
use tanbo_quant::{Multiplier, Rounding};

use super::{GENERAL, HIGH, SUM};
use crate::pack::{PackedConstants, Source};

/// Packs a step for AVX2.
pub fn avx2(source: &Source<'_>) -> Option<PackedConstants> {
    pack(&AVX2_FAMILY, &AVX2, source)
}

/// Packs a step for VNNI.
pub fn vnni(source: &Source<'_>) -> Option<PackedConstants> {
    pack(&VNNI_FAMILY, &VNNI, source)
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
        let (mut sum, mut magnitude) = (0i64, 0i64);
        for tap in 0..taps {
            let w = i64::from(weight(output, tap)?);
            sum += w;
            magnitude += w.abs();
        }
        let zero_point = i64::from(source.input_zero_point);
        let bias = i64::from(*source.bias.get(output)?);
        let farthest = (-128 - zero_point).abs().max((127 - zero_point).abs());
        let bound = bias.abs() + magnitude * farthest;
        // The kernels of VNNI take activations plus 128; those of AVX2 less the zero point.
        let moved = if family.activation_bytes == 1 { (128 + zero_point) * sum } else { 0 };
        let bias = (bias - moved) as i32;
        lanes.push(Lane::new(source, source.multipliers.get(output), bias, bound)?);
    }
    let mode = lanes.iter().map(|lane| lane.mode).max()?;
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
/// the last word has the mantissas of the odd lanes in the even ones.
fn push_lanes(records: &mut Vec<i32>, lanes: &[Lane], mode: i32, channels: impl Iterator<Item = usize>) {
    const NONE: Lane = Lane { mode: HIGH, bound: 0, bias: 0, mantissa: 0, right: 0, high: 0, low: 0, left: 0, mask: 0 };
    let lanes: Vec<&Lane> = channels.map(|channel| lanes.get(channel).unwrap_or(&NONE)).collect();
    for word in 0..LANE_WORDS {
        for pair in lanes.chunks_exact(2) {
            let [even, odd] = [pair[0], pair[1]];
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
        Some(Self { mode, bound, bias, mantissa, right: right - 1, high, low: low as i32, left: 0, mask: 0 })
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
