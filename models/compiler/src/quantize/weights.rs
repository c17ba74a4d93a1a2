//! Weights as symmetric integers with one scale per output channel, and biases at scale input · weight.

use super::rewrite::PointQuant;

/// Least scale of an accumulator in steps of the result: 2^-20 of a step is finer than any bias needs, and keeps the
/// multiplier of a channel that is almost dead within reach.
const LEAST_ACCUMULATOR_STEP: f64 = 1.0 / (1 << 20) as f64;
/// Most limits that are tried for a channel besides its own.
const TRIES: u32 = 32;
/// Most weights that all tries of one product round: in a large one the errors of roundings average out.
const SEARCHED: usize = 1 << 23;
/// Largest integer of a bias: products get the rest of 32 bits.
const LARGEST_BIAS: f64 = (1i64 << 30) as f64;

/// What the integers of a product depend on besides its weights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scheme<'a> {
    /// Quantization of the input.
    pub from: PointQuant,
    /// Quantization of the result.
    pub to: PointQuant,
    /// 8 or 4.
    pub bits: u32,
    /// What [`limits`] found for as many bits.
    pub limits: &'a [f64],
}

/// Integers of a product.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct QuantizedWeights {
    /// In the order of the float weights.
    pub data: Vec<i8>,
    /// Scale of each index of the weights' channel axis.
    pub axis_scales: Vec<f32>,
    /// Scale of each output channel.
    pub scales: Vec<f32>,
    /// One integer per output channel.
    pub bias: Vec<i32>,
    pub bits: u32,
}

/// Returns the integers of float weights of `shape`, output channels along `axis` (of each of `groups` groups, for a
/// transposed convolution, whose groups share a scale).
pub(crate) fn quantize_weights(
    shape: &[usize],
    values: &[f32],
    axis: usize,
    groups: usize,
    bias: &[f64],
    scheme: Scheme<'_>,
) -> Option<QuantizedWeights> {
    let channels = *shape.get(axis)?;
    let inner: usize = shape.iter().skip(axis + 1).product::<usize>().max(1);
    let channel = |i: usize| i / inner % channels.max(1);
    let top = largest_integer(scheme.bits);
    let from = f64::from(scheme.from.scale);
    let floor = LEAST_ACCUMULATOR_STEP * f64::from(scheme.to.scale) / from;
    let mut axis_scales = Vec::with_capacity(channels);
    for (c, &limit) in scheme.limits.iter().enumerate() {
        // Of all groups, whose channels share the axis.
        let biases = (0..groups).filter_map(|g| bias.get(g * channels + c));
        let bias = biases.fold(0.0f64, |most, b| most.max(b.abs()));
        let scale = (limit / top).max(floor).max(bias / (from * LARGEST_BIAS));
        axis_scales.push((scale as f32).max(f32::MIN_POSITIVE));
    }
    let data = values
        .iter()
        .enumerate()
        .map(|(i, &value)| {
            let scale = axis_scales.get(channel(i)).copied().unwrap_or(1.0);
            (value / scale).round_ties_even().clamp(-(top as f32), top as f32) as i8
        })
        .collect();
    let scales: Vec<f32> = (0..groups).flat_map(|_| axis_scales.iter().copied()).collect();
    let integers = bias
        .iter()
        .zip(&scales)
        .map(|(&b, &scale)| (b / (from * f64::from(scale))).round_ties_even().clamp(-LARGEST_BIAS, LARGEST_BIAS) as i32)
        .collect();
    Some(QuantizedWeights { data, axis_scales, scales, bias: integers, bits: scheme.bits })
}

/// Returns, for each index of the channel axis, the magnitude that the largest integer of `bits` bits stands for: the one
/// with the least squared error of the weights that it rounds.
///
/// With four bits it pays to cut the largest weights off. With eight it does not, but there are limits above the largest
/// weight that happen to round well; and weights that were int8 with one scale for all channels, as exporters of quantized
/// models leave them, are met exactly by the limit of the whole tensor.
pub(crate) fn limits(shape: &[usize], values: &[f32], axis: usize, bits: u32) -> Vec<f64> {
    let largest = largest_of_channels(shape, values, axis);
    let inner: usize = shape.iter().skip(axis + 1).product::<usize>().max(1);
    let mut channels: Vec<Vec<f64>> = vec![Vec::new(); largest.len()];
    for (i, &value) in values.iter().enumerate() {
        if let Some(channel) = channels.get_mut(i / inner % largest.len().max(1)) {
            channel.push(f64::from(value));
        }
    }
    let whole = largest.iter().copied().fold(0.0, f64::max);
    let top = largest_integer(bits);
    let tries = u32::try_from(SEARCHED / values.len().max(1)).unwrap_or(TRIES).min(TRIES);
    let best = |(values, own): (&Vec<f64>, f64)| {
        let step = if bits < 8 { -0.5 } else { 0.125 } / f64::from(TRIES);
        let tried =
            (1..=tries).map(|i| own * (1.0 + step * f64::from(i))).chain([whole].into_iter().filter(|_| bits == 8));
        let first = (squared_error(values, own, top), own);
        tried
            .map(|limit| (squared_error(values, limit, top), limit))
            .fold(first, |a, b| if b.0 < a.0 { b } else { a })
            .1
    };
    channels.iter().zip(largest).map(best).collect()
}

/// Returns the largest magnitude of the weights at each index of the channel axis.
pub(crate) fn largest_of_channels(shape: &[usize], values: &[f32], axis: usize) -> Vec<f64> {
    let channels = shape.get(axis).copied().unwrap_or(0);
    let inner: usize = shape.iter().skip(axis + 1).product::<usize>().max(1);
    let mut largest = vec![0.0f64; channels];
    for (i, &value) in values.iter().enumerate() {
        if let Some(slot) = largest.get_mut(i / inner % channels.max(1)) {
            *slot = slot.max(f64::from(value).abs());
        }
    }
    largest
}

fn largest_integer(bits: u32) -> f64 {
    f64::from((1i32 << (bits - 1)) - 1)
}

/// Returns the squared error of `values` rounded so that `top` steps are `limit`.
fn squared_error(values: &[f64], limit: f64, top: f64) -> f64 {
    if limit <= 0.0 {
        return values.iter().map(|v| v * v).sum();
    }
    let (step, per_step) = (limit / top, top / limit);
    values.iter().map(|v| (v - (v * per_step).round_ties_even().clamp(-top, top) * step).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two channels of integers times one scale, of which one channel does not reach 127.
    #[test]
    fn weights_that_were_int8_keep_their_integers() {
        let scale = 0.007_812_5f32;
        let integers: [f32; 8] = [127.0, -3.0, 50.0, 9.0, 61.0, -7.0, 13.0, 2.0];
        let values = integers.map(|q| q * scale);
        let limits = limits(&[2, 4], &values, 0, 8);
        assert_eq!(limits, [f64::from(127.0 * scale); 2]);
        let one = PointQuant { scale: 1.0, zero_point: 0, wide: false };
        let scheme = Scheme { from: one, to: PointQuant { scale: f32::MIN_POSITIVE, ..one }, bits: 8, limits: &limits };
        let weights = quantize_weights(&[2, 4], &values, 0, 1, &[], scheme).unwrap();
        assert_eq!(weights.data, [127, -3, 50, 9, 61, -7, 13, 2]);
        assert_eq!(weights.axis_scales, [scale; 2]);
    }

    /// No limit that is tried is worse than the largest weight.
    #[test]
    fn a_limit_is_the_best_of_those_tried() {
        let values: Vec<f32> = (0..64u32).map(|i| ((i * 37 % 101) as f32 - 50.0) / 17.0).collect();
        for bits in [4, 8] {
            let (found, largest) = (limits(&[4, 16], &values, 0, bits), largest_of_channels(&[4, 16], &values, 0));
            for ((channel, found), largest) in values.chunks(16).zip(found).zip(largest) {
                let own: Vec<f64> = channel.iter().map(|&v| f64::from(v)).collect();
                let error = |limit| squared_error(&own, limit, largest_integer(bits));
                assert!(error(found) <= error(largest), "{bits} bits: {found} against {largest}");
            }
        }
    }
}
