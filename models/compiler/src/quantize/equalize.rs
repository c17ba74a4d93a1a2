//! Cross-layer equalization: channels of a tensor between two products get ranges alike, so that one scale serves all.
//!
//! A Relu lets positive factors through, so scaling a channel in the first product and back in the second changes nothing.
//! (M. Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019; the split between
//! activations and weights as in G. Xiao et al., "SmoothQuant", 2022.) The factors are powers of two: exact in float32.

use std::collections::{BTreeMap, HashMap};

use super::calibrate::Observed;
use super::network::{Network, OPSET};
use crate::import::onnx::constant::{Constant, Data};
use crate::import::onnx::proto::Op;

/// Largest factor.
const MOST: f32 = 64.0;

/// A tensor between two products.
struct Between {
    /// Its name.
    tensor: String,
    /// Node that computes it, up to a Relu.
    before: usize,
    /// Node that alone reads it.
    after: usize,
    channels: usize,
    /// The reader keeps channels apart: scaling costs it nothing.
    apart: bool,
}

fn product_shape(network: &Network, index: usize) -> Option<(&[usize], usize, usize, usize)> {
    let node = network.nodes.get(index)?;
    let (shape, _) = network.floats(node.input.get(1)?)?;
    if node.input.get(2).is_some_and(|name| !name.is_empty() && network.floats(name).is_none()) {
        return None;
    }
    let op = Op::new(node, index, OPSET);
    match node.op_type.as_str() {
        "Conv" => Some((shape, 0, 1, usize::try_from(op.int("group", 1).ok()?).ok()?)),
        "Gemm" if op.int("transA", 0).ok()? == 0 => {
            let transposed = op.int("transB", 0).ok()? != 0;
            Some((shape, usize::from(!transposed), usize::from(transposed), 1))
        }
        _ => None,
    }
}

fn between(network: &Network) -> Vec<Between> {
    let producers = network.producers();
    let uses = network.uses();
    let mut found = Vec::new();
    for (after, reader) in network.nodes.iter().enumerate() {
        let Some((shape, _, input_axis, groups)) = product_shape(network, after) else { continue };
        let Some(tensor) = reader.input.first().filter(|name| uses.get(*name) == Some(&1)) else { continue };
        let Some(&writer) = producers.get(tensor) else { continue };
        let before = match network.nodes.get(writer) {
            Some(node) if node.op_type == "Relu" => {
                let Some(input) = node.input.first().filter(|name| uses.get(*name) == Some(&1)) else { continue };
                let Some(&before) = producers.get(input) else { continue };
                before
            }
            _ => writer,
        };
        let Some((own, output_axis, ..)) = product_shape(network, before) else { continue };
        let Some(&channels) = own.get(output_axis) else { continue };
        let apart = groups == channels && shape.first() == Some(&channels);
        let fits = apart || (groups == 1 && shape.get(input_axis) == Some(&channels));
        let has_channels = network.shapes.get(tensor).and_then(|shape| shape.get(1)) == Some(&channels);
        if fits && has_channels && channels > 1 {
            found.push(Between { tensor: tensor.clone(), before, after, channels, apart });
        }
    }
    found
}

/// Returns the factors of each tensor between two products, from what was seen of it.
pub(crate) fn factors(network: &Network, seen: &HashMap<&str, &Observed>) -> BTreeMap<String, Vec<f32>> {
    let mut out = BTreeMap::new();
    for link in between(network) {
        let Some(observed) = seen.get(link.tensor.as_str()) else { continue };
        let inner = observed.peak.len() / link.channels;
        let peaks: Vec<f32> =
            observed.peak.chunks(inner.max(1)).map(|c| c.iter().copied().fold(0.0, f32::max)).collect();
        let Some(weights) = input_peaks(network, &link) else { continue };
        let wished: Vec<f32> = peaks
            .iter()
            .zip(&weights)
            .map(|(&peak, &weight)| match (peak > 0.0, link.apart) {
                (false, _) => 0.0,
                (true, true) => 1.0 / peak,
                (true, false) => (weight / peak).sqrt(),
            })
            .collect();
        // The largest channel stays: what the first product's bias can hold does not change.
        let top = peaks.iter().zip(&wished).map(|(p, w)| p * w).fold(0.0, f32::max);
        let most = peaks.iter().copied().fold(0.0, f32::max);
        let factors: Vec<f32> = wished
            .iter()
            .map(|&wish| {
                let factor = wish * most / top;
                if factor > 0.0 && factor.is_finite() {
                    factor.log2().round().exp2().clamp(1.0 / MOST, MOST)
                } else {
                    1.0
                }
            })
            .collect();
        if factors.iter().any(|&f| f != 1.0) {
            out.insert(link.tensor, factors);
        }
    }
    out
}

/// Returns the largest weight that reads each channel.
fn input_peaks(network: &Network, link: &Between) -> Option<Vec<f32>> {
    let (shape, _, axis, _) = product_shape(network, link.after)?;
    let (_, values) = network.floats(network.nodes.get(link.after)?.input.get(1)?)?;
    let axis = if link.apart { 0 } else { axis };
    let inner = shape.iter().skip(axis + 1).product::<usize>().max(1);
    let mut peaks = vec![0.0f32; link.channels];
    for (i, v) in values.iter().enumerate() {
        if let Some(peak) = peaks.get_mut(i / inner % link.channels) {
            *peak = peak.max(v.abs());
        }
    }
    Some(peaks)
}

/// Scales the tensors of `factors` and what reads them; names that are not between two products are passed over.
pub(crate) fn apply(network: &mut Network, factors: &BTreeMap<String, Vec<f32>>) {
    for link in between(network) {
        let Some(factors) = factors.get(&link.tensor).filter(|f| f.len() == link.channels) else { continue };
        let Some((_, output_axis, ..)) = product_shape(network, link.before) else { continue };
        let Some((_, _, input_axis, _)) = product_shape(network, link.after) else { continue };
        let back: Vec<f32> = factors.iter().map(|f| 1.0 / f).collect();
        scale(network, link.before, 1, output_axis, factors);
        scale(network, link.before, 2, 0, factors);
        scale(network, link.after, 1, if link.apart { 0 } else { input_axis }, &back);
    }
    network.drop_unread_constants();
}

/// Gives a node a constant input of its own, scaled along `axis`.
fn scale(network: &mut Network, node: usize, input: usize, axis: usize, factors: &[f32]) {
    let Some(name) = network.nodes.get(node).and_then(|n| n.input.get(input)).cloned() else { return };
    let Some((shape, values)) = network.floats(&name) else { return };
    // A bias of one row has its channels last.
    let axis = if input == 2 { shape.len().saturating_sub(1) } else { axis };
    let inner = shape.iter().skip(axis + 1).product::<usize>().max(1);
    let factor = |i: usize| factors.get(i / inner % factors.len().max(1)).copied().unwrap_or(1.0);
    let data = if values.len() == 1 && input == 2 {
        factors.iter().map(|f| f * values.first().copied().unwrap_or(0.0)).collect()
    } else {
        values.iter().enumerate().map(|(i, v)| v * factor(i)).collect()
    };
    let shape = if values.len() == 1 && input == 2 { vec![factors.len()] } else { shape.to_vec() };
    let scaled = network.add_constant(&format!("{name}/equalized"), Constant { shape, data: Data::F32(data) });
    if let Some(slot) = network.nodes.get_mut(node).and_then(|n| n.input.get_mut(input)) {
        *slot = scaled;
    }
}
