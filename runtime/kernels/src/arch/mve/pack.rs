//! Packs weights for Helium.

use alloc::vec::Vec;

use tanbo_packing::Kind;
use tanbo_packing::mve::{Conv, Depthwise, GROUP, MVE, VECTOR};
use tanbo_quant::Rounding;

use crate::pack::{PackedConstants, Source};

/// Packs a step; `None` for shapes without a kernel, and for single rounding with a shift to the left that could overflow.
///
/// Weights of a convolution: groups of four channels, in them vectors of 16 taps, in them a vector for each channel; taps in
/// the order kernel column, kernel row, input channel. Of a depthwise one whose rows are kept: for each channel its taps,
/// column by column, and a zero; of others as of a convolution. Records: the greatest shift; for each group four biases, four mantissas, four shifts of a byte. The input's zero
/// point is in the biases.
pub fn pack(source: &Source<'_>) -> Option<PackedConstants> {
    let shape = source.shape;
    let ([kernel_h, kernel_w], channels, outputs) = (shape.kernel, shape.input[2], shape.output[2]);
    let conv = Conv::of(source.kind, shape);
    let by_channel = if conv.is_some() { channels } else { 1 };
    let sizes = (MVE.sizes)(source.kind, shape)?;
    i8::try_from(source.input_zero_point).ok()?;

    let taps = |output: usize| {
        let at = move |x: usize, y: usize, channel: usize| match source.kind {
            Kind::Conv2d => ((output * kernel_h + y) * kernel_w + x) * channels + channel,
            Kind::DepthwiseConv2d => (y * kernel_w + x) * outputs + output,
        };
        let places =
            (0..kernel_w).flat_map(move |x| (0..kernel_h).flat_map(move |y| (0..by_channel).map(move |c| at(x, y, c))));
        places.map(|place| source.weights[place])
    };
    // Channels of group `group`: the last four where fewer are left, the last one where there are fewer than four.
    let members = |group: usize| {
        let first = (group * GROUP).min(outputs.saturating_sub(GROUP));
        (first..first + GROUP).map(move |channel| channel.min(outputs - 1))
    };

    let groups = outputs.div_ceil(GROUP);
    let mut weights = Vec::with_capacity(sizes.weight_bytes);
    for group in 0..groups {
        let rows: Vec<Vec<i8>> = members(group).map(|channel| taps(channel).collect()).collect();
        if conv.is_none() && Depthwise::of(source.kind, shape)?.ring {
            for row in &rows {
                weights.extend(row);
                weights.push(0);
            }
        } else {
            for chunk in 0..rows[0].len().div_ceil(VECTOR) {
                for row in &rows {
                    weights.extend((0..VECTOR).map(|i| row.get(chunk * VECTOR + i).copied().unwrap_or(0)));
                }
            }
        }
    }

    let shifts = || (0..outputs).map(|channel| source.multipliers.get(channel).shift);
    let mut records = Vec::with_capacity(sizes.record_words);
    records.push(shifts().max()?);
    for channel in 0..outputs {
        let shift = source.multipliers.get(channel).shift;
        if source.range.rounding == Rounding::Single
            && shift >= 0
            && greatest_sum(source, taps(channel), channel) >> (30 - shift) != 0
        {
            return None;
        }
    }
    for group in 0..groups {
        let bias = |channel: usize| {
            let sum = taps(channel).fold(0i32, |sum, weight| sum.wrapping_add(i32::from(weight)));
            source.bias[channel].wrapping_sub(source.input_zero_point.wrapping_mul(sum))
        };
        records.extend(members(group).map(bias));
        records.extend(members(group).map(|channel| source.multipliers.get(channel).mantissa));
        let shifts: [u8; GROUP] = core::array::from_fn(|i| {
            let channel = members(group).nth(i).unwrap_or_default();
            source.multipliers.get(channel).shift as i8 as u8
        });
        records.push(i32::from_le_bytes(shifts));
    }
    Some(PackedConstants { packing: MVE.packing, weights, records })
}

/// Returns a bound of the accumulator's magnitude.
fn greatest_sum(source: &Source<'_>, taps: impl Iterator<Item = i8>, channel: usize) -> i64 {
    let distance = |x: i8| (i64::from(x) - i64::from(source.input_zero_point)).abs();
    let greatest = distance(i8::MIN).max(distance(i8::MAX));
    let products: i64 = taps.map(|weight| i64::from(weight).abs() * greatest).sum();
    i64::from(source.bias[channel]).abs() + products
}
