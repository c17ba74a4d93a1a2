//! Weights as symmetric integers with one scale per output channel, and biases at scale input · weight.

use super::rewrite::PointQuant;

/// Least scale of an accumulator in steps of the result: 2^-20 of a step is finer than any bias needs, and keeps the
/// multiplier of a channel that is almost dead within reach.
const LEAST_ACCUMULATOR_STEP: f64 = 1.0 / (1 << 20) as f64;
/// Largest integer of a bias: products get the rest of 32 bits.
const LARGEST_BIAS: f64 = (1i64 << 30) as f64;

/// What the integers of a product depend on besides its weights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scheme {
    /// Quantization of the input.
    pub from: PointQuant,
    /// Quantization of the result.
    pub to: PointQuant,
    /// 8 or 4.
    pub bits: u32,
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
    scheme: Scheme,
) -> Option<QuantizedWeights> {
    let channels = *shape.get(axis)?;
    let inner: usize = shape.iter().skip(axis + 1).product::<usize>().max(1);
    let channel = |i: usize| i / inner % channels.max(1);
    let mut largest = vec![0.0f64; channels];
    for (i, &value) in values.iter().enumerate() {
        if let Some(slot) = largest.get_mut(channel(i)) {
            *slot = slot.max(f64::from(value).abs());
        }
    }
    let top = f64::from((1i32 << (scheme.bits - 1)) - 1);
    let from = f64::from(scheme.from.scale);
    let floor = LEAST_ACCUMULATOR_STEP * f64::from(scheme.to.scale) / from;
    let mut axis_scales = Vec::with_capacity(channels);
    if scheme.bits < 8 {
        // With few steps it pays to cut the largest weights off.
        for (c, slot) in largest.iter_mut().enumerate() {
            let own: Vec<f64> =
                values.iter().enumerate().filter(|(i, _)| channel(*i) == c).map(|(_, &v)| f64::from(v)).collect();
            *slot = best_limit(&own, *slot, top);
        }
    }
    for (c, &largest) in largest.iter().enumerate() {
        // Of all groups, whose channels share the axis.
        let biases = (0..groups).filter_map(|g| bias.get(g * channels + c));
        let bias = biases.fold(0.0f64, |most, b| most.max(b.abs()));
        let scale = (largest / top).max(floor).max(bias / (from * LARGEST_BIAS));
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

/// Returns the limit, at most `largest`, with the least squared error of `values` rounded to `top` steps on either side.
fn best_limit(values: &[f64], largest: f64, top: f64) -> f64 {
    const TRIES: u32 = 24;
    let error = |limit: f64| -> f64 {
        let scale = limit / top;
        values.iter().map(|v| (v - (v / scale).round_ties_even().clamp(-top, top) * scale).powi(2)).sum()
    };
    let mut best = (f64::INFINITY, largest);
    for i in 0..TRIES {
        let limit = largest * (1.0 - 0.5 * f64::from(i) / f64::from(TRIES));
        let error = error(limit);
        if error < best.0 {
            best = (error, limit);
        }
    }
    best.1
}
