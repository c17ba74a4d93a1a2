//! Packs convolutions for `Dsp`, where its arithmetic is proven to give the reference's bits.
//!
//! With `s` the right shift of a channel's multiplier, both roundings end in `(v + C) >> s` with `C = (zp << s) + 2^(s - 1)`,
//! where `v` is the high word of a product. Its range and that of `s` are checked here, channel by channel, from the least and
//! greatest accumulator that any input can give. A channel that is the same for every input becomes a constant.

use alloc::vec::Vec;

use tanbo_packing::{Kind, dsp};
use tanbo_quant::{Multiplier, Rounding};

use crate::pack::{PackedConstants, Source};

/// Packs a step for the kernels of `Dsp`.
pub fn pack(source: &Source<'_>) -> Option<PackedConstants> {
    match dsp::Depthwise::new(source.kind, source.shape) {
        Some(division) => depthwise(source, &division),
        None => conv2d(source, &dsp::Conv2d::new(source.kind, source.shape)?),
    }
}

fn conv2d(source: &Source<'_>, division: &dsp::Conv2d) -> Option<PackedConstants> {
    let outputs = source.shape.output[2];
    let depth = source.shape.kernel[0].checked_mul(source.shape.kernel[1])?.checked_mul(source.shape.input[2])?;
    let weight = |channel: usize, k: usize| {
        let at = match source.kind {
            Kind::Conv2d => channel * depth + k,
            Kind::DepthwiseConv2d => k * outputs + channel,
        };
        source.weights.get(at).map(|&w| i32::from(w))
    };
    let mut channels = Vec::new();
    for channel in 0..division.channels {
        // A run of taps and zeros up to a whole word, run by run.
        let mut weights = Vec::new();
        if channel < outputs {
            for first in (0..depth).step_by(division.run) {
                let taps = (first..first + division.run).map(|k| weight(channel, k));
                weights.extend(taps.collect::<Option<Vec<_>>>()?);
                weights.resize(weights.len().next_multiple_of(4), 0);
            }
        }
        channels.push(Channel::new(source, channel, weights, Sum::Times256)?);
    }
    let mut packed = PackedConstants { packing: dsp::DSP.packing, weights: Vec::new(), records: Vec::new() };
    for panel in channels.chunks(division.lanes) {
        for word in 0..division.words {
            for channel in panel {
                for half in [4 * word, 4 * word + 2] {
                    let pair = 256 * channel.weight(half + 1) + channel.weight(half);
                    packed.weights.extend(i16::try_from(pair).ok()?.to_le_bytes().map(|byte| byte as i8));
                }
            }
        }
        for channel in panel {
            packed.records.extend(channel.requantization);
        }
        for channel in panel {
            let even: i64 = channel.weights.iter().step_by(2).map(|&w| i64::from(w)).sum();
            packed.records.push((256 * channel.bias - 127 * even) as i32);
        }
    }
    Some(packed)
}

/// Packs a 3×3 convolution for Winograd's F(2×2, 3×3), with its matrix G doubled so that everything is an integer: sums are four
/// times the true ones.
pub fn winograd(source: &Source<'_>) -> Option<PackedConstants> {
    let [_, _, inputs] = source.shape.input;
    let division = dsp::Winograd::new(source.kind, source.shape)?;
    let mut packed = PackedConstants { packing: dsp::WINOGRAD.packing, weights: Vec::new(), records: Vec::new() };
    for group in 0..division.groups {
        let mut channels = Vec::new();
        for channel in 4 * group..4 * group + 4 {
            let taps = source.weights.get(channel * 9 * inputs..(channel + 1) * 9 * inputs)?;
            channels.push(Channel::new(source, channel, taps.iter().map(|&w| w.into()).collect(), Sum::Times4)?);
        }
        let transformed: Vec<Vec<[i32; 16]>> = channels
            .iter()
            .map(|channel| (0..inputs).map(|c| transform(|tap| channel.weight(tap * inputs + c))).collect())
            .collect();
        for position in 0..dsp::Winograd::POSITIONS {
            for pair in 0..inputs / 2 {
                // A word of four activations falls into channels 0 and 2, and 1 and 3.
                let first = pair / 2 * 4 + pair % 2;
                for channel in &transformed {
                    for input in [first, first + 2] {
                        let weight = i16::try_from(channel.get(input)?[position]).ok()?;
                        packed.weights.extend(weight.to_le_bytes().map(|byte| byte as i8));
                    }
                }
            }
        }
        for channel in &channels {
            packed.records.extend(channel.requantization);
            packed.records.push(channel.bias as i32);
        }
    }
    Some(packed)
}

/// Returns (2G)·g·(2G)ᵀ of the taps of a 3×3 kernel, row by row.
fn transform(tap: impl Fn(usize) -> i32) -> [i32; 16] {
    let line = |a: i32, b: i32, c: i32| [2 * a, a + b + c, a - b + c, 2 * c];
    let rows = [0, 1, 2].map(|column| line(tap(column), tap(3 + column), tap(6 + column)));
    let mut transformed = [0; 16];
    for (row, values) in transformed.chunks_exact_mut(4).enumerate() {
        values.copy_from_slice(&line(rows[0][row], rows[1][row], rows[2][row]));
    }
    transformed
}

fn depthwise(source: &Source<'_>, division: &dsp::Depthwise) -> Option<PackedConstants> {
    let outputs = source.shape.output[2];
    let mut packed = PackedConstants { packing: dsp::DSP.packing, weights: Vec::new(), records: Vec::new() };
    for group in 0..division.groups {
        let first = (4 * group).min(outputs - 4);
        let mut channels = Vec::new();
        for channel in first..first + 4 {
            let taps = (0..division.taps).map(|tap| source.weights.get(tap * outputs + channel).map(|&w| i32::from(w)));
            channels.push(Channel::new(source, channel, taps.collect::<Option<_>>()?, Sum::Times2)?);
        }
        if division.prepared.is_none() {
            for tap in 0..division.taps {
                for channel in [0, 2, 1, 3] {
                    let weight = i16::try_from(channels[channel].weight(tap)).ok()?;
                    packed.weights.extend(weight.to_le_bytes().map(|byte| byte as i8));
                }
            }
        }
        for channel in &channels {
            if division.prepared.is_some() {
                for (low, high) in [(0, 3), (1, 4), (2, 5), (6, 7), (7, 8)] {
                    packed.records.push(channel.weight(low) & 0xffff | channel.weight(high) << 16);
                }
            }
            packed.records.push(channel.bias as i32);
            packed.records.extend(channel.requantization);
        }
    }
    Some(packed)
}

/// What the kernels' sums are, compared with the true accumulators.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sum {
    /// 256 times, by the arithmetic of the tiles.
    Times256,
    /// Four times, by that of Winograd's transforms. Weights are as they were.
    Times4,
    /// Twice or, for multipliers above one half, a higher power of two, by the weights.
    Times2,
}

/// A channel with the zero point of the input in the bias, ready to be laid out.
struct Channel {
    weights: Vec<i32>,
    bias: i64,
    /// Mantissa, rounding constant, shift.
    requantization: [i32; 3],
}

impl Channel {
    fn new(source: &Source<'_>, channel: usize, weights: Vec<i32>, sum: Sum) -> Option<Self> {
        if weights.is_empty() {
            return Some(Self::constant(0));
        }
        let (range, zero_point) = (&source.range, source.input_zero_point);
        let bias = i64::from(*source.bias.get(channel)?);
        let multiplier = source.multipliers.get(channel);
        // An activation is -128 to 127, a tap outside the input the zero point, which lies between.
        let ends = |w: &i32| [-128, 127].map(|x| i64::from((x - zero_point) * w));
        let least = bias + weights.iter().map(|w| ends(w).into_iter().min().unwrap_or(0)).sum::<i64>();
        let greatest = bias + weights.iter().map(|w| ends(w).into_iter().max().unwrap_or(0)).sum::<i64>();
        let magnitude = least.abs().max(greatest.abs());
        if magnitude >= 1 << 31 {
            return None;
        }
        // Rounding keeps the order of accumulators, unless a left shift wraps.
        if magnitude << multiplier.shift.max(0) < 1 << 31 {
            let [low, high] = [least, greatest].map(|a| range.requantize(a as i32, multiplier));
            if low == high {
                return Some(Self::constant(low));
            }
        }
        let Multiplier { mantissa, shift } = multiplier;
        let mut right = -shift;
        let mut factor = 1;
        let fits = match (range.rounding, sum) {
            (Rounding::Tflite, Sum::Times256) => magnitude < 1 << 23 && (1..=23).contains(&right),
            (Rounding::Tflite, Sum::Times4) => magnitude < 1 << 29 && (1..=23).contains(&right),
            (Rounding::Single, Sum::Times4) => {
                right += 1;
                magnitude < 1 << 29 && (1..=23).contains(&right)
            }
            (Rounding::Tflite, Sum::Times2) => {
                factor = 2;
                magnitude < 1 << 29 && (1..=23).contains(&right)
            }
            (Rounding::Single, Sum::Times256) => {
                right += 7;
                // The greatest magnitude itself is allowed below zero only.
                magnitude < 1 << 23 && (1..=23).contains(&right)
            }
            (Rounding::Single, Sum::Times2) => {
                let more = (1 - right).max(0);
                right += more;
                factor = 2 << more.min(8);
                more <= 6 && magnitude << more < 1 << 29 && right <= 23
            }
        };
        let total: i64 = weights.iter().map(|&w| i64::from(w)).sum();
        let times = if sum == Sum::Times4 { 4 } else { factor };
        let bias = i64::from(times) * (bias - i64::from(zero_point) * total);
        let weights = weights.iter().map(|w| factor * w).collect();
        let constant = || (range.zero_point << right) + (1 << (right - 1));
        fits.then(|| Self { weights, bias, requantization: [mantissa, constant(), right] })
    }

    /// Returns a channel whose output is always `value`.
    fn constant(value: i32) -> Self {
        Self { weights: Vec::new(), bias: 0, requantization: [0, 2 * value + 1, 1] }
    }

    fn weight(&self, k: usize) -> i32 {
        self.weights.get(k).copied().unwrap_or(0)
    }
}
