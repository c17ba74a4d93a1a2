//! Packing for cores without SIMD: weights in groups of four, and the proof that a word of two pixels holds their sums.

use alloc::vec::Vec;

use tanbo_packing::{Kind, Packing, Sizes, pairs};
use tanbo_quant::{Multiplier, Rounding};

use super::CHUNK;
use crate::pack::{PackedConstants, Source};

/// How a family writes weights and records.
pub(crate) struct Writer {
    /// Its packing.
    pub packing: Packing,
    /// Lengths of its packing.
    pub sizes: fn(Kind, &tanbo_packing::Shape) -> Option<Sizes>,
    /// Appends what the family's kernel needs to make an output value of an accumulator; returns what is to be added to
    /// the bias, or `None` if the kernel is not proven exact.
    pub requantization: fn(&Channel<'_>, &mut Vec<i32>) -> Option<i32>,
    /// Whether a record says which chunks need not be split every two terms.
    pub flags: bool,
    /// Bits to flip in each weight of a convolution: 0x80 where the kernel reads unsigned weights.
    pub flip: u8,
}

/// Accumulators of an output channel and what becomes of them.
pub(crate) struct Channel<'a> {
    /// The step.
    pub source: &'a Source<'a>,
    /// Multiplier of the channel.
    pub multiplier: Multiplier,
    /// Least and greatest accumulator, for any input.
    pub bounds: [i64; 2],
}

impl Channel<'_> {
    /// Returns the output value of an accumulator: what the reference kernels compute.
    pub fn output(&self, accumulator: i32) -> i32 {
        self.source.range.requantize(accumulator, self.multiplier)
    }

    /// Returns whether the output value never falls as the accumulator grows.
    pub fn is_monotonic(&self) -> bool {
        let most = self.bounds[0].abs().max(self.bounds[1].abs());
        self.source.range.rounding == Rounding::Single
            || self.multiplier.shift <= 0
            || most << self.multiplier.shift < 1 << 31
    }
}

impl Writer {
    /// Packs a step.
    pub fn pack(&self, source: &Source<'_>) -> Option<PackedConstants> {
        let sizes = (self.sizes)(source.kind, source.shape)?;
        let outputs = source.shape.output[2];
        let mut packed = PackedConstants {
            packing: self.packing,
            weights: Vec::with_capacity(sizes.weight_bytes),
            records: Vec::with_capacity(sizes.record_words),
        };
        for o in 0..outputs {
            let weights = channel_weights(source, o)?;
            let taps = weights.iter().map(|&w| i64::from(w));
            // A tap in the padding counts nothing: each term lies between its bounds and 0.
            let term = |w: i64, x: i64| w * (x - i64::from(source.input_zero_point));
            let bias = i64::from(*source.bias.get(o)?);
            let least: i64 = taps.clone().map(|w| term(w, -128).min(term(w, 127)).min(0)).sum();
            let most: i64 = taps.clone().map(|w| term(w, -128).max(term(w, 127)).max(0)).sum();
            let bounds = [bias + least, bias + most];
            if bounds.iter().any(|&bound| i32::try_from(bound).is_err()) {
                return None;
            }
            let channel = Channel { source, multiplier: source.multipliers.get(o), bounds };
            // Where weights of convolutions are unsigned, so are activations of depthwise convolutions, `x + 128`.
            let unsigned = i64::from(self.flip) * i64::from(source.kind == Kind::DepthwiseConv2d);
            let zero_point = i64::from(source.input_zero_point) + unsigned;
            let folded = i32::try_from(bias - taps.map(|w| w * zero_point).sum::<i64>()).ok()?;
            let mut record = Vec::new();
            let bias = folded.wrapping_add((self.requantization)(&channel, &mut record)?);
            match source.kind {
                Kind::Conv2d => {
                    let groups = i32::try_from(weights.len() / 4).ok()?;
                    let flags = whole_groups(&weights)?;
                    let splits = if self.flags { groups } else { groups.wrapping_mul(2) };
                    let below = bias.wrapping_sub(splits.wrapping_mul(1 << 15)).wrapping_add(bias.wrapping_shl(16));
                    packed.records.extend([bias, below]);
                    packed.records.extend(self.flags.then_some(flags));
                }
                Kind::DepthwiseConv2d => packed.records.push(bias),
            }
            packed.records.append(&mut record);
            let flip = if source.kind == Kind::Conv2d { self.flip } else { 0 };
            packed.weights.extend(weights.iter().map(|&w| w ^ flip as i8));
        }
        Some(packed)
    }
}

/// Returns the weights of an output channel in the order in which the kernel takes them.
fn channel_weights(source: &Source<'_>, channel: usize) -> Option<Vec<i8>> {
    let shape = source.shape;
    let taps = shape.kernel[0] * shape.kernel[1];
    match source.kind {
        Kind::DepthwiseConv2d => {
            (0..taps).map(|tap| source.weights.get(tap * shape.output[2] + channel).copied()).collect()
        }
        Kind::Conv2d => {
            let row = shape.kernel[1] * shape.input[2];
            let weights = source.weights.get(channel * shape.kernel[0] * row..)?.get(..shape.kernel[0] * row)?;
            let padding = pairs::row_groups(shape)? * 4 - row;
            let padded = |row: &[i8]| row.iter().copied().chain((0..padding).map(|_| 0)).collect::<Vec<_>>();
            Some(weights.chunks(row).flat_map(padded).collect())
        }
    }
}

/// Returns a bit per chunk, from the top: set where each group of four sums to a halfword for any activations. The first
/// chunk is what the others, of [`CHUNK`] groups, leave. `None` if not even groups of two do everywhere. Chunks beyond 32
/// have no bit: there the kernel takes two at a time.
fn whole_groups(weights: &[i8]) -> Option<i32> {
    let fits = |group: &[i8]| {
        let sum = |x: [i32; 2]| group.iter().map(|&w| i32::from(w) * if w < 0 { x[0] } else { x[1] }).sum::<i32>();
        sum([-128, 127]) <= 32767 && sum([127, -128]) >= -32768
    };
    weights.chunks(2).all(fits).then_some(())?;
    let first = (weights.len() / 4).checked_sub(1)? % CHUNK + 1;
    let (first, rest) = weights.split_at(first * 4);
    let chunks = [first].into_iter().chain(rest.chunks(CHUNK * 4));
    let bits = chunks.take(32).enumerate().filter(|(_, chunk)| chunk.chunks(4).all(fits));
    Some(bits.fold(0, |bits, (at, _)| bits | 1 << (31 - at)))
}
