//! Channels that are constant, or that nothing reads.
//!
//! A convolution or fully connected node does not need an input channel whose weights are zero, or that always holds the
//! zero point: its products are zero, in padding too. One that always holds another value it does not need if no tap can
//! fall in padding: then its products are the same everywhere and go into the bias. Otherwise the channel stays.

use super::Kept;
use super::borders::never_padded;
use super::interval::{Intervals, channels};
use super::slots::{Layout, Role, Slots, role};
use crate::graph::{Bias, Graph, Node, NodeOp, Tensor, TensorId, Weights};

/// Largest product of a weight and an activation less its zero point.
const LARGEST_PRODUCT: i64 = 255 * 128;

/// Removes what can be removed; returns whether anything was.
pub(super) fn eliminate(graph: &mut Graph, kept: &mut Kept) -> bool {
    let Some(network) = Network::of(graph) else { return false };
    let needed = network.needed(graph);
    network.remove(graph, &needed, kept)
}

/// A graph with what is known of its channels.
pub(super) struct Network {
    pub roles: Vec<Role>,
    pub slots: Slots,
    pub intervals: Intervals,
    /// By node: a constant input channel can go into the bias, whatever its value.
    folds: Vec<bool>,
}

impl Network {
    /// Analyses a graph; `None` if it is too large.
    pub fn of(graph: &Graph) -> Option<Self> {
        let roles: Vec<Role> = graph.nodes.iter().map(|node| role(graph, node)).collect();
        let slots = Slots::of(graph, &roles)?;
        let folds = graph.nodes.iter().zip(&roles).map(|(node, role)| folds(graph, node, role)).collect();
        Some(Self { roles, slots, intervals: Intervals::of(graph), folds })
    }

    /// Returns the input tensor and layout of a node that sums over all its input channels.
    pub fn weighted<'g>(&self, graph: &'g Graph, number: usize) -> Option<(TensorId, Layout, &'g Weights)> {
        let (Some(&Role::Weighted(layout)), Some(node)) = (self.roles.get(number), graph.nodes.get(number)) else {
            return None;
        };
        Some((*node.inputs.first()?, layout, super::weights(&node.op)?))
    }

    /// Returns by class whether it has to stay.
    pub fn needed(&self, graph: &Graph) -> Vec<bool> {
        let mut needed = vec![false; self.slots.len()];
        let mut queue: Vec<usize> = Vec::new();
        let mark = |needed: &mut Vec<bool>, queue: &mut Vec<usize>, class: usize| {
            if let Some(flag) = needed.get_mut(class).filter(|flag| !**flag) {
                *flag = true;
                queue.push(class);
            }
        };
        // By class: output channels of weighted nodes.
        let mut rows: Vec<Vec<(usize, usize)>> = vec![Vec::new(); self.slots.len()];
        for number in 0..graph.nodes.len() {
            let Some((_, layout, _)) = self.weighted(graph, number) else { continue };
            let Some(node) = graph.nodes.get(number) else { continue };
            for output in 0..layout.outputs {
                if let Some(list) = rows.get_mut(self.slots.class(node.output, output)) {
                    list.push((number, output));
                }
            }
        }
        for (tensor, record) in graph.tensors.iter().enumerate() {
            for channel in 0..channels(record) {
                let class = self.slots.class(tensor, channel);
                if self.slots.is_fixed(class) {
                    mark(&mut needed, &mut queue, class);
                }
            }
        }
        let mut reached = vec![false; graph.nodes.len()];
        loop {
            while let Some(class) = queue.pop() {
                for &(number, output) in rows.get(class).map_or(&[][..], Vec::as_slice) {
                    let Some((x, layout, weights)) = self.weighted(graph, number) else { continue };
                    let Some(width) = graph.tensors.get(x).map(channels) else { continue };
                    if let Some(flag) = reached.get_mut(number) {
                        *flag = true;
                    }
                    for k in 0..layout.depth {
                        let channel = k % width;
                        let class = self.slots.class(x, channel);
                        if needed.get(class) == Some(&false)
                            && layout.column(weights, output, k).any(|w| w != 0)
                            && self.folded(graph, number, x, channel).is_none()
                        {
                            mark(&mut needed, &mut queue, class);
                        }
                    }
                }
            }
            // A tensor that is read keeps at least one channel.
            for number in 0..graph.nodes.len() {
                if reached.get(number) == Some(&true)
                    && let Some((x, ..)) = self.weighted(graph, number)
                    && let Some(width) = graph.tensors.get(x).map(channels)
                    && !(0..width).any(|channel| needed.get(self.slots.class(x, channel)) == Some(&true))
                {
                    mark(&mut needed, &mut queue, self.slots.class(x, 0));
                }
            }
            if queue.is_empty() {
                return needed;
            }
        }
    }

    /// Returns what a constant input channel stands for in each product, if a node can do without it.
    fn folded(&self, graph: &Graph, number: usize, x: TensorId, channel: usize) -> Option<i32> {
        let value = self.intervals.constant(x, channel)? - graph.tensors.get(x)?.zero_point;
        (value == 0 || self.folds.get(number) == Some(&true)).then_some(value)
    }

    /// Removes every class that is not needed; what its constants contribute goes into biases.
    pub fn remove(&self, graph: &mut Graph, needed: &[bool], kept: &mut Kept) -> bool {
        let lists: Vec<Vec<usize>> =
            graph.tensors.iter().enumerate().map(|(t, record)| self.left(t, record, needed)).collect();
        let left = |tensor: TensorId| lists.get(tensor).map_or(&[][..], Vec::as_slice);
        let widths: Vec<usize> = graph.tensors.iter().map(channels).collect();
        let gone = |tensor: TensorId| left(tensor).is_empty() && widths.get(tensor).is_some_and(|&width| width > 0);
        let nodes = std::mem::take(&mut graph.nodes);
        let mut changed = false;
        for (number, (mut node, role)) in nodes.into_iter().zip(&self.roles).enumerate() {
            if gone(node.output) {
                changed = true;
                continue;
            }
            self.shrink(graph, number, &mut node, *role, &left);
            graph.nodes.push(node);
        }
        for (tensor, (record, left)) in graph.tensors.iter_mut().zip(&lists).enumerate() {
            let before = channels(record);
            if left.len() == before || left.is_empty() {
                continue;
            }
            changed = true;
            if let Some(data) = &mut record.data {
                let rows = data.chunks_exact(before.max(1));
                *data = rows.flat_map(|row| left.iter().filter_map(|&channel| row.get(channel).copied())).collect();
            }
            if let Some(length) = record.shape.last_mut() {
                *length = left.len();
            }
            kept.restrict(tensor, left);
        }
        changed
    }

    fn left(&self, tensor: TensorId, record: &Tensor, needed: &[bool]) -> Vec<usize> {
        if record.shape.is_empty() {
            return vec![0];
        }
        let stays = |&channel: &usize| needed.get(self.slots.class(tensor, channel)) != Some(&false);
        (0..channels(record)).filter(stays).collect()
    }

    /// Takes from a node what no longer has a channel.
    fn shrink<'l>(
        &self,
        graph: &Graph,
        number: usize,
        node: &mut Node,
        role: Role,
        left: &impl Fn(TensorId) -> &'l [usize],
    ) {
        let Some(&x) = node.inputs.first() else { return };
        let outputs = left(node.output);
        let Some(width) = graph.tensors.get(x).map(channels) else { return };
        match role {
            Role::Weighted(layout) => {
                let inputs = left(x);
                let Some(weights) = weights_mut(&mut node.op) else { return };
                if inputs.len() == width && outputs.len() == layout.outputs {
                    return;
                }
                let stays = |k: &usize| inputs.binary_search(&(k % width)).is_ok();
                let products: Vec<usize> = (0..layout.depth).filter(stays).collect();
                let gone: Vec<(usize, i64)> = (0..layout.depth)
                    .filter(|k| !stays(k))
                    .filter_map(|k| Some((k, i64::from(self.folded(graph, number, x, k % width)?))))
                    .filter(|&(_, value)| value != 0)
                    .collect();
                for &output in outputs {
                    let column = |k: usize| layout.column(weights, output, k).map(i64::from).sum::<i64>();
                    let more: i64 = gone.iter().map(|&(k, value)| value * column(k)).sum();
                    if let Bias::I32(bias) = &mut weights.bias
                        && let Some(bias) = bias.get_mut(output)
                    {
                        // `folds` has seen that the largest sum fits.
                        *bias = (i64::from(*bias) + more) as i32;
                    }
                }
                let rows = |output: usize| {
                    let taps = (0..layout.taps).flat_map(|tap| products.iter().map(move |&k| (tap, k)));
                    taps.map(move |(tap, k)| layout.at(output, tap, k))
                };
                let places: Vec<usize> = if layout.tap_major {
                    (0..layout.taps).flat_map(|tap| outputs.iter().map(move |&o| layout.at(o, tap, 0))).collect()
                } else {
                    outputs.iter().flat_map(|&output| rows(output)).collect()
                };
                weights.data = places.iter().filter_map(|&at| weights.data.get(at).copied()).collect();
                select_outputs(weights, outputs, layout.outputs);
            }
            Role::Grouped([ins, outs]) => {
                let (groups, groups_left) = (width / ins, outputs.len() / outs);
                let before = groups * outs;
                if groups == groups_left {
                    return;
                }
                let depthwise = matches!(node.op, NodeOp::DepthwiseConv2d { .. });
                if let NodeOp::Conv2d { groups, .. } | NodeOp::TransposeConv2d { groups, .. } = &mut node.op {
                    *groups = groups_left;
                }
                let Some(weights) = weights_mut(&mut node.op) else { return };
                let of_output = |at: usize| {
                    if depthwise { at % before } else { at / (weights.data.len() / before) }
                };
                let data = weights.data.iter().enumerate();
                let data = data.filter(|&(at, _)| outputs.binary_search(&of_output(at)).is_ok());
                weights.data = data.map(|(_, &weight)| weight).collect();
                select_outputs(weights, outputs, before);
            }
            Role::Concat => node.inputs.retain(|&input| !left(input).is_empty()),
            Role::Slice(begin) => {
                if let NodeOp::Slice { begin: words, .. } = &mut node.op
                    && let Some(word) = words.last_mut()
                {
                    *word = left(x).partition_point(|&channel| channel < begin);
                }
            }
            Role::Channelwise | Role::View | Role::Opaque => {}
        }
    }
}

/// Whether every constant input channel of a node can go into its bias: no tap may fall in padding, and no bias may leave
/// its 32 bits.
fn folds(graph: &Graph, node: &Node, role: &Role) -> bool {
    let Role::Weighted(layout) = role else { return false };
    let shape = |tensor: Option<&TensorId>| tensor.and_then(|&t| graph.tensors.get(t)).map(|t| t.shape.as_slice());
    let (Some(x), Some(y)) = (shape(node.inputs.first()), shape(Some(&node.output))) else { return false };
    let inside = match &node.op {
        NodeOp::FullyConnected { .. } => true,
        NodeOp::Conv2d { window, .. } | NodeOp::DepthwiseConv2d { window, .. } => never_padded(window, x, y),
        _ => false,
    };
    let Some(Bias::I32(bias)) = super::weights(&node.op).map(|weights| &weights.bias) else { return false };
    let largest = bias.iter().map(|bias| i64::from(*bias).abs()).max().unwrap_or(0);
    let terms = i64::try_from(layout.taps.saturating_mul(layout.depth)).unwrap_or(i64::MAX);
    inside && terms.saturating_mul(LARGEST_PRODUCT).saturating_add(largest) <= i64::from(i32::MAX)
}

/// Leaves biases and scales of the output channels `outputs`, of `before`.
fn select_outputs(weights: &mut Weights, outputs: &[usize], before: usize) {
    if let Bias::I32(bias) = &mut weights.bias {
        *bias = outputs.iter().filter_map(|&output| bias.get(output).copied()).collect();
    }
    if weights.scales.len() == before {
        weights.scales = outputs.iter().filter_map(|&output| weights.scales.get(output).copied()).collect();
    }
}

pub(super) fn weights_mut(op: &mut NodeOp) -> Option<&mut Weights> {
    match op {
        NodeOp::Conv2d { weights, .. }
        | NodeOp::DepthwiseConv2d { weights, .. }
        | NodeOp::TransposeConv2d { weights, .. }
        | NodeOp::FullyConnected { weights, .. } => Some(weights),
        _ => None,
    }
}
