//! What is computed twice.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use tanbo_format::emit::ConstData;
use tanbo_quant::Rounding;

use super::Kept;
use super::channels::Network;
use super::interval::channels;
use super::rewrite::Rewriter;
use super::slots::Role;
use crate::graph::{Bias, Graph, Node, NodeOp, TensorId, Weights};
use crate::lower::{Lowered, lower};

/// Computes equal nodes and equal channels once; returns whether there were any.
pub(super) fn merge(graph: &mut Graph, kept: &mut Kept) -> bool {
    let nodes = merge_nodes(graph);
    merge_channels(graph, kept) || nodes
}

/// What two nodes have in common that compute the same.
type Key = (u8, Vec<TensorId>, Vec<i32>, Rounding, u64);

fn merge_nodes(graph: &mut Graph) -> bool {
    let mut rewriter = Rewriter::new(graph);
    let mut seen: HashMap<Key, Vec<usize>> = HashMap::new();
    for number in 0..rewriter.graph.nodes.len() {
        let Some((key, step)) = key(&rewriter, number) else { continue };
        let same = |other: &usize| {
            let node = rewriter.node(*other)?;
            let lowered = lower(rewriter.graph, node).ok()??;
            let output = rewriter.node(number)?.output;
            (lowered.consts == step.consts && rewriter.alike(node.output, output)).then_some(node.output)
        };
        let twin = seen.get(&key).and_then(|others| others.iter().find_map(same));
        match twin {
            Some(output) if rewriter.forward(number, output) => {}
            _ => seen.entry(key).or_default().push(number),
        }
    }
    rewriter.finish()
}

fn key(rewriter: &Rewriter<'_>, number: usize) -> Option<(Key, Lowered)> {
    let node = rewriter.node(number)?;
    let tensors = node.inputs.iter().chain([&node.output]);
    if !node.states.is_empty() || node.inputs.is_empty() || tensors.into_iter().any(|&t| rewriter.is_state(t)) {
        return None;
    }
    let step = lower(rewriter.graph, node).ok()??;
    let mut hasher = DefaultHasher::new();
    for constant in &step.consts {
        match constant {
            ConstData::I8(values) => values.hash(&mut hasher),
            ConstData::I16(values) => values.hash(&mut hasher),
            ConstData::I32(values) => values.hash(&mut hasher),
            ConstData::I64(values) => values.hash(&mut hasher),
        }
    }
    let key = (step.op as u8, node.inputs.clone(), step.attrs.clone(), node.rounding, hasher.finish());
    Some((key, step))
}

/// Moves the weights of a channel to an equal one of the same tensor wherever it is read, if then it can go.
fn merge_channels(graph: &mut Graph, kept: &mut Kept) -> bool {
    let Some(network) = Network::of(graph) else { return false };
    let equal = Equal::of(graph, &network);
    if !equal.any() {
        return false;
    }
    let needed = network.needed(graph);
    // By class: which weighted nodes read which channel of it.
    let mut reads: Vec<Vec<(usize, TensorId, usize)>> = vec![Vec::new(); network.slots.len()];
    for number in 0..graph.nodes.len() {
        let Some((x, ..)) = network.weighted(graph, number) else { continue };
        for channel in 0..graph.tensors.get(x).map_or(0, channels) {
            if let Some(list) = reads.get_mut(network.slots.class(x, channel)) {
                list.push((number, x, channel));
            }
        }
    }
    let mut stays = vec![true; network.slots.len()];
    let mut locked = vec![false; network.slots.len()];
    let mut merged = false;
    for (class, reads) in reads.iter().enumerate().rev() {
        let is = |flags: &[bool]| flags.get(class) == Some(&true);
        if reads.is_empty() || network.slots.is_fixed(class) || !is(&needed) || is(&locked) {
            continue;
        }
        // One read after the other, as several may add to the same weights; all of them, or none.
        let numbers: BTreeSet<usize> = reads.iter().map(|&(number, ..)| number).collect();
        let before: Vec<(usize, Vec<i8>)> = numbers
            .into_iter()
            .filter_map(|number| Some((number, network.weighted(graph, number)?.2.data.clone())))
            .collect();
        let can_stay =
            |other: usize| other != class && needed.get(other) == Some(&true) && stays.get(other) == Some(&true);
        let mut targets = Vec::with_capacity(reads.len());
        for &(number, x, channel) in reads {
            let others = equal.to(x, channel).filter(|&other| can_stay(network.slots.class(x, other)));
            let moved = others.into_iter().find(|&other| move_weights(graph, &network, number, channel, other));
            targets.extend(moved.map(|other| network.slots.class(x, other)));
        }
        if targets.len() < reads.len() {
            for (number, data) in before {
                if let Some(weights) = weights_of(graph, number) {
                    weights.data = data;
                }
            }
            continue;
        }
        for target in targets {
            if let Some(flag) = locked.get_mut(target) {
                *flag = true;
            }
        }
        if let Some(flag) = stays.get_mut(class) {
            *flag = false;
        }
        merged = true;
    }
    merged && network.remove(graph, &stays, kept)
}

/// Adds the weights of input channel `from` of a node to those of channel `to`, if every sum fits.
fn move_weights(graph: &mut Graph, network: &Network, number: usize, from: usize, to: usize) -> bool {
    let Some((x, layout, weights)) = network.weighted(graph, number) else { return false };
    let Some(width) = graph.tensors.get(x).map(channels) else { return false };
    let mut changes = Vec::new();
    for (from, to) in places(layout.depth, width, from, to) {
        for (output, tap) in (0..layout.outputs).flat_map(|output| (0..layout.taps).map(move |tap| (output, tap))) {
            let (from, to) = (layout.at(output, tap, from), layout.at(output, tap, to));
            let weight = |at: usize| weights.data.get(at).copied().unwrap_or(0);
            let Some(both) = sum(weight(from), weight(to), weights) else { return false };
            changes.extend([(to, both), (from, 0)]);
        }
    }
    let Some(weights) = weights_of(graph, number) else { return false };
    for (at, value) in changes {
        if let Some(slot) = weights.data.get_mut(at) {
            *slot = value;
        }
    }
    true
}

fn weights_of(graph: &mut Graph, number: usize) -> Option<&mut Weights> {
    super::channels::weights_mut(&mut graph.nodes.get_mut(number)?.op)
}

/// Returns the products of channel `from` with those of channel `to` that lie beside them.
fn places(depth: usize, width: usize, from: usize, to: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..depth / width.max(1)).map(move |block| (block * width + from, block * width + to))
}

/// Returns the sum of two weights, if it fits where they lie; symmetric, as kernels may ask.
fn sum(a: i8, b: i8, weights: &Weights) -> Option<i8> {
    if a == 0 {
        return Some(b);
    }
    let most = if weights.four_bits { 7 } else { 127 };
    a.checked_add(b).filter(|sum| (-most..=most).contains(sum))
}

/// For each tensor and channel the first channel of the tensor that always holds the same.
struct Equal(Vec<Vec<usize>>);

impl Equal {
    fn of(graph: &Graph, network: &Network) -> Self {
        let mut equal = Self(Vec::with_capacity(graph.tensors.len()));
        for tensor in &graph.tensors {
            let width = channels(tensor);
            equal.0.push(match tensor.data.as_ref().filter(|data| width > 0 && data.len() == tensor.elements()) {
                Some(data) => {
                    first_of(width, |c| data.iter().skip(c).step_by(width).map(|&byte| i64::from(byte)).collect())
                }
                None => (0..width).collect(),
            });
        }
        for (node, role) in graph.nodes.iter().zip(&network.roles) {
            let Some(firsts) = equal.output(graph, network, node, *role) else { continue };
            if let Some(slot) = equal.0.get_mut(node.output) {
                *slot = firsts;
            }
        }
        equal
    }

    fn any(&self) -> bool {
        self.0.iter().any(|firsts| firsts.iter().enumerate().any(|(channel, &first)| channel != first))
    }

    fn first(&self, tensor: TensorId, channel: usize) -> usize {
        self.0.get(tensor).and_then(|firsts| firsts.get(channel)).copied().unwrap_or(channel)
    }

    /// Returns the other channels of `tensor` that hold what `channel` holds.
    fn to(&self, tensor: TensorId, channel: usize) -> impl Iterator<Item = usize> {
        let firsts = self.0.get(tensor).map_or(&[][..], Vec::as_slice);
        let own = self.first(tensor, channel);
        firsts
            .iter()
            .enumerate()
            .filter(move |&(other, &first)| first == own && other != channel)
            .map(|(other, _)| other)
    }

    fn output(&self, graph: &Graph, network: &Network, node: &Node, role: Role) -> Option<Vec<usize>> {
        let &x = node.inputs.first()?;
        let (from, to) = (channels(graph.tensors.get(x)?), channels(graph.tensors.get(node.output)?));
        let key = |output: usize| -> Vec<i64> {
            if let Some(value) = network.intervals.constant(node.output, output) {
                return vec![i64::from(value)];
            }
            // The first number tells these keys from those of constants.
            let mut key = vec![i64::MAX];
            let mut operand = |tensor: TensorId, channel: usize| key.push(self.first(tensor, channel) as i64);
            match role {
                Role::Weighted(layout) => {
                    let Some(weights) = super::weights(&node.op) else { return vec![output as i64, i64::MIN] };
                    let mut sums = vec![0; layout.taps * layout.depth];
                    for k in 0..layout.depth {
                        let place = k / from * from + self.first(x, k % from);
                        for (tap, weight) in layout.column(weights, output, k).enumerate() {
                            if let Some(sum) = sums.get_mut(tap * layout.depth + place) {
                                *sum += i64::from(weight);
                            }
                        }
                    }
                    key.extend(sums);
                    key.extend(bias_and_scale(weights, output));
                }
                Role::Grouped([ins, outs]) => {
                    let group = output / outs;
                    (0..ins).for_each(|input| operand(x, group * ins + input));
                    let Some(weights) = super::weights(&node.op) else { return vec![output as i64, i64::MIN] };
                    let of_output = |at: usize| match node.op {
                        NodeOp::DepthwiseConv2d { .. } => at % to,
                        _ => at / (weights.data.len() / to).max(1),
                    };
                    let own = weights.data.iter().enumerate().filter(|&(at, _)| of_output(at) == output);
                    key.extend(own.map(|(_, &weight)| i64::from(weight)));
                    key.extend(bias_and_scale(weights, output));
                }
                Role::Channelwise => {
                    for &input in &node.inputs {
                        operand(input, if graph.tensors.get(input).map(channels) == Some(to) { output } else { 0 });
                    }
                }
                Role::Concat => {
                    let mut begin = 0;
                    for &input in &node.inputs {
                        let width = graph.tensors.get(input).map_or(0, channels);
                        if (begin..begin + width).contains(&output) {
                            operand(input, output - begin);
                            key.push(input as i64);
                            break;
                        }
                        begin += width;
                    }
                }
                Role::Slice(begin) => operand(x, begin + output),
                Role::View if to >= from => {
                    operand(x, output % from);
                    key.push((output / from) as i64);
                }
                Role::View => (output..from).step_by(to).for_each(|channel| operand(x, channel)),
                Role::Opaque => key.push(output as i64),
            }
            key
        };
        Some(first_of(to, key))
    }
}

fn bias_and_scale(weights: &Weights, output: usize) -> [i64; 2] {
    let bias = match &weights.bias {
        Bias::I32(bias) => bias.get(output).map_or(0, |&bias| i64::from(bias)),
        Bias::I64(bias) => bias.get(output).copied().unwrap_or(0),
    };
    // One scale is everyone's.
    let scale = weights.scales.get(if weights.scales.len() == 1 { 0 } else { output });
    [bias, scale.map_or(0, |scale| i64::from(scale.to_bits()))]
}

/// Returns for each of `count` keys the place of the first one that equals it.
fn first_of(count: usize, key: impl Fn(usize) -> Vec<i64>) -> Vec<usize> {
    // Keys are as long as all weights together: only those with equal hashes are held at once.
    let mut seen: HashMap<u64, Vec<usize>> = HashMap::new();
    let first = |at: usize| {
        let own = key(at);
        let mut hasher = DefaultHasher::new();
        own.hash(&mut hasher);
        let others = seen.entry(hasher.finish()).or_default();
        let twin = others.iter().copied().find(|&other| key(other) == own);
        twin.unwrap_or_else(|| {
            others.push(at);
            at
        })
    };
    (0..count).map(first).collect()
}
