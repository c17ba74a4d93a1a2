//! Neighbours that become one node.

use tanbo_format::ElementType;

use super::interval::Intervals;
use super::pointwise::{self, Table};
use super::rewrite::Rewriter;
use crate::graph::{Clamp, Graph, Node, NodeOp, TensorId, Window};

/// Gives a node the bounds of the clamp that alone reads it.
pub(super) fn clamps(graph: &mut Graph) -> bool {
    let intervals = Intervals::of(graph);
    let mut rewriter = Rewriter::new(graph);
    for number in 0..rewriter.graph.nodes.len() {
        if let Some((writer, bounds, output)) = clamp(&rewriter, number, &intervals)
            && let Some(own) = rewriter.node_mut(writer).and_then(|node| clamp_mut(&mut node.op))
        {
            *own = bounds;
            rewriter.drop_node(number);
            rewriter.write_instead(writer, output);
        }
    }
    rewriter.finish()
}

/// Returns the node before a clamp, the bounds of both together, and the tensor after the clamp.
fn clamp(rewriter: &Rewriter<'_>, number: usize, intervals: &Intervals) -> Option<(usize, Clamp, TensorId)> {
    let node = rewriter.node(number)?;
    let &[input] = node.inputs.as_slice() else { return None };
    if rewriter.uses(input) != 1
        || rewriter.is_port(input)
        || rewriter.is_state(node.output)
        || !rewriter.alike(input, node.output)
    {
        return None;
    }
    let table = pointwise::table(rewriter.graph, node)?;
    let writer = rewriter.writer(input)?;
    let own = clamp_of(&rewriter.node(writer)?.op)?;
    let values = intervals.values(input);
    let mut occurring =
        (-128..128).zip(table).zip(values).filter(|(_, occurs)| *occurs).map(|((q, y), _)| (q, y.into()));
    let ((least, low), (most, high)) = (occurring.clone().next()?, occurring.clone().next_back()?);
    if low > high || occurring.any(|(q, y): (i32, i32)| y != q.max(low).min(high)) {
        return None;
    }
    // A bound that nothing meets stays as it was.
    let bounds =
        Clamp { low: if low == least { own.low } else { low }, high: if high == most { own.high } else { high } };
    Some((writer, bounds, node.output))
}

/// Returns the bounds that a node applies last.
fn clamp_of(op: &NodeOp) -> Option<Clamp> {
    match op {
        NodeOp::Conv2d { clamp, .. }
        | NodeOp::DepthwiseConv2d { clamp, .. }
        | NodeOp::TransposeConv2d { clamp, .. }
        | NodeOp::FullyConnected { clamp, .. }
        | NodeOp::AveragePool2d { clamp, .. }
        | NodeOp::MaxPool2d { clamp, .. }
        | NodeOp::Mean { clamp, .. }
        | NodeOp::Sum { clamp, .. }
        | NodeOp::Add { clamp }
        | NodeOp::Sub { clamp }
        | NodeOp::Mul { clamp }
        | NodeOp::Requantize { clamp }
        | NodeOp::Scale { clamp, .. } => Some(*clamp),
        _ => None,
    }
}

fn clamp_mut(op: &mut NodeOp) -> Option<&mut Clamp> {
    match op {
        NodeOp::Conv2d { clamp, .. }
        | NodeOp::DepthwiseConv2d { clamp, .. }
        | NodeOp::TransposeConv2d { clamp, .. }
        | NodeOp::FullyConnected { clamp, .. }
        | NodeOp::AveragePool2d { clamp, .. }
        | NodeOp::MaxPool2d { clamp, .. }
        | NodeOp::Mean { clamp, .. }
        | NodeOp::Sum { clamp, .. }
        | NodeOp::Add { clamp }
        | NodeOp::Sub { clamp }
        | NodeOp::Mul { clamp }
        | NodeOp::Requantize { clamp }
        | NodeOp::Scale { clamp, .. } => Some(clamp),
        _ => None,
    }
}

/// Joins two functions of one value, at least one of them a table, if nothing else reads what is between them.
pub(super) fn tables(graph: &mut Graph) -> bool {
    let mut rewriter = Rewriter::new(graph);
    for number in 0..rewriter.graph.nodes.len() {
        if let Some((before, source, table)) = composed(&rewriter, number) {
            rewriter.read_instead(number, 0, source);
            if let Some(node) = rewriter.node_mut(number) {
                node.op = NodeOp::Lut { table: Box::new(table) };
            }
            rewriter.drop_node(before);
        }
    }
    rewriter.finish()
}

fn composed(rewriter: &Rewriter<'_>, number: usize) -> Option<(usize, TensorId, Table)> {
    let node = rewriter.node(number)?;
    let &[middle] = node.inputs.as_slice() else { return None };
    if rewriter.uses(middle) != 1 || rewriter.is_port(middle) || rewriter.is_state(node.output) {
        return None;
    }
    let before = rewriter.writer(middle)?;
    let first = rewriter.node(before)?;
    let &[source] = first.inputs.as_slice() else { return None };
    let is_table = |node: &Node| matches!(node.op, NodeOp::Lut { .. });
    let shape = |tensor: TensorId| rewriter.graph.tensors.get(tensor).map(|t| &t.shape);
    if !(is_table(node) || is_table(first)) || rewriter.is_state(source) || shape(source) != shape(node.output) {
        return None;
    }
    let (inner, outer) = (pointwise::table(rewriter.graph, first)?, pointwise::table(rewriter.graph, node)?);
    let mut table = [0; 256];
    for (slot, middle) in table.iter_mut().zip(inner) {
        *slot = *outer.get((i32::from(middle) + 128) as usize)?;
    }
    Some((before, source, table))
}

/// Makes borders of zero points the padding of the convolutions that read them, and borders that never win the padding of
/// maxima.
pub(super) fn pads(graph: &mut Graph) -> bool {
    let intervals = Intervals::of(graph);
    let mut rewriter = Rewriter::new(graph);
    for number in 0..rewriter.graph.nodes.len() {
        if let Some((source, pad)) = padding(&rewriter, number, &intervals)
            && let Some(window) = rewriter.node_mut(number).and_then(|node| window_mut(&mut node.op))
        {
            window.pad = pad;
            rewriter.read_instead(number, 0, source);
        }
    }
    rewriter.finish()
}

/// Returns the tensor inside the border that a node reads, and the padding that stands for it.
fn padding(rewriter: &Rewriter<'_>, number: usize, intervals: &Intervals) -> Option<(TensorId, [usize; 2])> {
    let node = rewriter.node(number)?;
    let &[padded] = node.inputs.as_slice() else { return None };
    let border = rewriter.node(rewriter.writer(padded)?)?;
    let (NodeOp::Pad { before, value }, &[source]) = (&border.op, border.inputs.as_slice()) else { return None };
    let tensor = |id: TensorId| rewriter.graph.tensors.get(id);
    let (x, middle, y) = (tensor(source)?, tensor(padded)?, tensor(node.output)?);
    let (&[n, h, w, c], &[pn, _, _, pc]) = (x.shape.as_slice(), middle.shape.as_slice()) else { return None };
    let &[0, top, left, 0] = before.as_slice() else { return None };
    let alike = (x.ty, x.scale, x.zero_point) == (middle.ty, middle.scale, middle.zero_point);
    if !alike || x.ty != ElementType::I8 || (n, c) != (pn, pc) || rewriter.is_state(source) {
        return None;
    }
    let inside = |window: &Window, most: fn(usize, usize) -> usize| {
        let [ph, pw] = window.pad;
        let [kh, kw] = window.kernel;
        let [dh, dw] = window.dilation;
        let pad = [ph + top, pw + left];
        (pad[0] < most(kh, dh) && pad[1] < most(kw, dw)).then_some(pad)
    };
    match &node.op {
        NodeOp::Conv2d { window, .. } | NodeOp::DepthwiseConv2d { window, .. } if *value == x.zero_point => {
            Some((source, inside(window, |kernel, dilation| kernel * dilation)?))
        }
        NodeOp::MaxPool2d { window, .. } => {
            let least = (0..c).map(|channel| intervals.span(source, channel).low).min()?;
            let pad = inside(window, |kernel, _| kernel)?;
            let &[_, oh, ow, _] = y.shape.as_slice() else { return None };
            // Every window still meets the input.
            let meets = |axis: usize, outputs: usize, inputs: usize| {
                (outputs.saturating_sub(1) * window.stride[axis]).saturating_sub(pad[axis]) < inputs
            };
            (*value <= least && meets(0, oh, h) && meets(1, ow, w)).then_some((source, pad))
        }
        _ => None,
    }
}

fn window_mut(op: &mut NodeOp) -> Option<&mut Window> {
    match op {
        NodeOp::Conv2d { window, .. } | NodeOp::DepthwiseConv2d { window, .. } | NodeOp::MaxPool2d { window, .. } => {
            Some(window)
        }
        _ => None,
    }
}
