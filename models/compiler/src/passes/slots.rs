//! Which channels of which tensors can only go together.
//!
//! A slot is one channel (position along the last axis) of one tensor. A depthwise convolution, an addition, a pool, a view
//! or a concatenation ties slots of its tensors into one class; a convolution or a fully connected node does not, since
//! any of its output channels can go, and any of its input channels whose products do not matter. A class goes only as a
//! whole.

use tanbo_format::ElementType;

use super::interval::channels;
use crate::graph::{Bias, Graph, Node, NodeOp, TensorId, Weights, Window};

/// Most slots; a graph with more is left as it is.
const MOST_SLOTS: usize = 1 << 22;

/// What a node does with channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Every output channel sums products of all input channels.
    Weighted(Layout),
    /// Groups of input channels meet groups of output channels, `[inputs, outputs]` of each.
    Grouped([usize; 2]),
    /// Output channel `c` is made of channel `c` of every operand that has more than one channel.
    Channelwise,
    /// Operands one after the other along the last axis.
    Concat,
    /// Output channel `c` is input channel `begin + c`.
    Slice(usize),
    /// The same elements in another shape.
    View,
    /// Not looked into: none of its channels can go.
    Opaque,
}

/// Where the weights of a node lie whose output channels sum over all input channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Number of taps.
    pub taps: usize,
    /// Products under one tap; product `k` is of input channel `k` modulo the number of channels.
    pub depth: usize,
    /// Number of output channels.
    pub outputs: usize,
    /// `[tap, output]`, otherwise `[output, tap, depth]`.
    pub tap_major: bool,
}

impl Layout {
    /// Returns where the weight of an output channel for product `k` under a tap lies.
    pub fn at(&self, output: usize, tap: usize, k: usize) -> usize {
        if self.tap_major { tap * self.outputs + output } else { (output * self.taps + tap) * self.depth + k }
    }

    /// Returns the weights of an output channel for product `k`, one per tap.
    pub fn column<'w>(&self, weights: &'w Weights, output: usize, k: usize) -> impl Iterator<Item = i8> + use<'w> {
        let layout = *self;
        (0..self.taps).map(move |tap| weights.data.get(layout.at(output, tap, k)).copied().unwrap_or(0))
    }
}

/// Returns what a node does with channels.
pub(super) fn role(graph: &Graph, node: &Node) -> Role {
    role_of(graph, node).unwrap_or(Role::Opaque)
}

fn role_of(graph: &Graph, node: &Node) -> Option<Role> {
    let y = graph.tensors.get(node.output)?;
    let inputs: Vec<_> = node.inputs.iter().map(|&x| graph.tensors.get(x)).collect::<Option<_>>()?;
    if !node.states.is_empty() || inputs.iter().chain([&y]).any(|tensor| tensor.ty != ElementType::I8) {
        return None;
    }
    let x = inputs.first()?;
    let (from, to) = (channels(x), channels(y));
    if from == 0 || to == 0 || y.shape.is_empty() || inputs.iter().any(|x| x.shape.is_empty()) {
        return None;
    }
    let last = x.shape.len() - 1;
    let same = from == to;
    let channelwise = |holds: bool| holds.then_some(Role::Channelwise);
    match &node.op {
        NodeOp::Conv2d { window, groups, weights, .. } | NodeOp::TransposeConv2d { window, groups, weights, .. } => {
            let taps = taps(window);
            let (depth, outputs) = (from.checked_div(*groups)?, to.checked_div(*groups)?);
            whole(weights, to)?;
            if depth * groups != from || outputs * groups != to || weights.data.len() != to * taps * depth {
                return None;
            }
            Some(match groups {
                1 => Role::Weighted(Layout { taps, depth, outputs, tap_major: false }),
                _ => Role::Grouped([depth, outputs]),
            })
        }
        NodeOp::DepthwiseConv2d { window, weights, .. } => {
            let taps = taps(window);
            whole(weights, to)?;
            if !to.is_multiple_of(from) || weights.data.len() != to * taps {
                return None;
            }
            Some(match from {
                1 => Role::Weighted(Layout { taps, depth: 1, outputs: to, tap_major: true }),
                _ => Role::Grouped([1, to / from]),
            })
        }
        NodeOp::FullyConnected { weights, .. } => {
            whole(weights, to)?;
            let depth = weights.data.len() / to;
            let rows = x.elements().checked_div(depth)?;
            let fits = depth * to == weights.data.len() && depth.is_multiple_of(from) && rows * to == y.elements();
            fits.then_some(Role::Weighted(Layout { taps: 1, depth, outputs: to, tap_major: false }))
        }
        NodeOp::Lut { .. }
        | NodeOp::Requantize { .. }
        | NodeOp::Scale { .. }
        | NodeOp::AveragePool2d { .. }
        | NodeOp::MaxPool2d { .. }
        | NodeOp::ResizeBilinear { .. }
        | NodeOp::Copy => channelwise(same),
        NodeOp::Mean { axes, .. }
        | NodeOp::Sum { axes, .. }
        | NodeOp::ReduceMax { axes }
        | NodeOp::ReduceMin { axes } => channelwise(same && !axes.contains(&last)),
        NodeOp::Pad { before, .. } => channelwise(same && before.last() == Some(&0)),
        NodeOp::Gather { axis, .. } => channelwise(same && *axis < last),
        NodeOp::Transpose { perm } => channelwise(same && perm.last() == Some(&last)),
        NodeOp::Add { .. }
        | NodeOp::Sub { .. }
        | NodeOp::Mul { .. }
        | NodeOp::Div { .. }
        | NodeOp::SquaredDifference { .. }
        | NodeOp::Minimum
        | NodeOp::Maximum => channelwise(inputs.iter().all(|x| [1, to].contains(&channels(x)))),
        NodeOp::Concat { axis } if axis + 1 == y.shape.len() => {
            (inputs.iter().map(|x| channels(x)).sum::<usize>() == to).then_some(Role::Concat)
        }
        NodeOp::Concat { .. } => channelwise(inputs.iter().all(|x| channels(x) == to)),
        NodeOp::Slice { begin, stride } => {
            let &begin = begin.last()?;
            (stride.last() == Some(&1) && begin + to <= from).then_some(Role::Slice(begin))
        }
        NodeOp::Reshape => {
            let nested = from.is_multiple_of(to) || to.is_multiple_of(from);
            (nested && x.elements() == y.elements()).then_some(Role::View)
        }
        _ => None,
    }
}

fn taps(window: &Window) -> usize {
    window.kernel.iter().product()
}

/// Bias of 32 bits and scales for so many output channels.
fn whole(weights: &Weights, outputs: usize) -> Option<()> {
    let scales = weights.scales.len();
    let fits = matches!(&weights.bias, Bias::I32(bias) if bias.len() == outputs) && (scales == 1 || scales == outputs);
    fits.then_some(())
}

/// The classes of slots.
pub(super) struct Slots {
    /// By tensor: its first slot.
    base: Vec<usize>,
    /// By slot: its class, named by one of its slots.
    class: Vec<usize>,
    /// By class: it cannot go.
    fixed: Vec<bool>,
}

impl Slots {
    /// Returns the classes of a graph whose nodes have these roles, or `None` if it is too large.
    pub fn of(graph: &Graph, roles: &[Role]) -> Option<Self> {
        let mut base = Vec::with_capacity(graph.tensors.len());
        let mut total = 0usize;
        for tensor in &graph.tensors {
            base.push(total);
            total = total.checked_add(channels(tensor).max(1)).filter(|&total| total <= MOST_SLOTS)?;
        }
        let mut slots = Self { base, class: (0..total).collect(), fixed: vec![false; total] };
        let ports = graph.inputs.iter().chain(&graph.outputs).map(|port| port.tensor);
        for tensor in ports.chain(graph.states.iter().map(|state| state.tensor)) {
            slots.fix(graph, tensor);
        }
        let mut writers = vec![0u8; graph.tensors.len()];
        for (node, &role) in graph.nodes.iter().zip(roles) {
            for &tensor in node.states.iter().chain([&node.output]) {
                if let Some(writers) = writers.get_mut(tensor) {
                    *writers = writers.saturating_add(1);
                }
            }
            slots.tie(graph, node, role);
        }
        for (tensor, record) in graph.tensors.iter().enumerate() {
            let broken = record.data.as_ref().is_some_and(|data| data.len() != record.elements() * record.ty.bytes());
            if broken || record.ty != ElementType::I8 || writers.get(tensor).is_some_and(|&count| count > 1) {
                slots.fix(graph, tensor);
            }
        }
        // Every slot names its class directly, and a class is fixed if one of its slots is.
        for slot in 0..total {
            let class = slots.find(slot);
            if let Some(place) = slots.class.get_mut(slot) {
                *place = class;
            }
            if slots.fixed.get(slot) == Some(&true)
                && let Some(fixed) = slots.fixed.get_mut(class)
            {
                *fixed = true;
            }
        }
        Some(slots)
    }

    /// Returns the number of slots.
    pub fn len(&self) -> usize {
        self.class.len()
    }

    /// Returns the class of a channel of a tensor.
    pub fn class(&self, tensor: TensorId, channel: usize) -> usize {
        let slot = self.base.get(tensor).map_or(0, |base| base + channel);
        self.class.get(slot).copied().unwrap_or(slot)
    }

    /// Returns whether a class cannot go.
    pub fn is_fixed(&self, class: usize) -> bool {
        self.fixed.get(class) != Some(&false)
    }

    fn find(&mut self, mut slot: usize) -> usize {
        while let Some(&up) = self.class.get(slot).filter(|&&up| up != slot) {
            let above = self.class.get(up).copied().unwrap_or(up);
            if let Some(place) = self.class.get_mut(slot) {
                *place = above;
            }
            slot = above;
        }
        slot
    }

    fn join(&mut self, (t1, c1): (TensorId, usize), (t2, c2): (TensorId, usize)) {
        let (Some(b1), Some(b2)) = (self.base.get(t1).copied(), self.base.get(t2).copied()) else { return };
        let (a, b) = (self.find(b1 + c1), self.find(b2 + c2));
        if let Some(place) = self.class.get_mut(a.max(b)) {
            *place = a.min(b);
        }
    }

    fn fix(&mut self, graph: &Graph, tensor: TensorId) {
        let Some(count) = graph.tensors.get(tensor).map(channels) else { return };
        let first = self.base.get(tensor).copied().unwrap_or_default();
        for fixed in self.fixed.iter_mut().skip(first).take(count) {
            *fixed = true;
        }
    }

    fn tie(&mut self, graph: &Graph, node: &Node, role: Role) {
        let y = node.output;
        let count = |tensor: TensorId| graph.tensors.get(tensor).map_or(0, channels);
        let outputs = count(y);
        match role {
            Role::Weighted(_) => {}
            Role::Grouped([ins, outs]) => {
                let x = node.inputs.first().copied().unwrap_or(y);
                for group in 0..outputs / outs {
                    for input in 0..ins {
                        self.join((x, group * ins), (x, group * ins + input));
                    }
                    for output in 0..outs {
                        self.join((x, group * ins), (y, group * outs + output));
                    }
                }
            }
            Role::Channelwise => {
                for &x in &node.inputs {
                    if count(x) == outputs {
                        (0..outputs).for_each(|channel| self.join((x, channel), (y, channel)));
                    } else {
                        self.fix(graph, x);
                    }
                }
            }
            Role::Concat => {
                let mut begin = 0;
                for &x in &node.inputs {
                    (0..count(x)).for_each(|channel| self.join((x, channel), (y, begin + channel)));
                    begin += count(x);
                }
            }
            Role::Slice(begin) => {
                let x = node.inputs.first().copied().unwrap_or(y);
                (0..outputs).for_each(|channel| self.join((x, begin + channel), (y, channel)));
            }
            Role::View => {
                let x = node.inputs.first().copied().unwrap_or(y);
                let inputs = count(x);
                for channel in 0..inputs.max(outputs) {
                    self.join((x, channel % inputs), (y, channel % outputs));
                }
            }
            Role::Opaque => {
                for &tensor in node.inputs.iter().chain(&node.states).chain([&y]) {
                    self.fix(graph, tensor);
                }
            }
        }
    }
}
