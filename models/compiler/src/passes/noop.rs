//! Nodes that change nothing.

use super::interval::Intervals;
use super::pointwise;
use super::rewrite::Rewriter;
use crate::graph::{Graph, Node, NodeOp, Tensor, TensorId};

/// Drops nodes whose output holds the elements of their input in the same order, and joins transposes of transposes.
pub(super) fn remove(graph: &mut Graph) -> bool {
    let intervals = Intervals::of(graph);
    let mut rewriter = Rewriter::new(graph);
    for number in 0..rewriter.graph.nodes.len() {
        join(&mut rewriter, number);
        let Some(node) = rewriter.node(number) else { continue };
        if let Some(from) = unchanged(rewriter.graph, node, &intervals) {
            rewriter.forward(number, from);
        }
    }
    rewriter.finish()
}

/// Returns the operand whose elements a node passes on as they are.
fn unchanged(graph: &Graph, node: &Node, intervals: &Intervals) -> Option<TensorId> {
    let &[from] = node.inputs.as_slice() else { return None };
    let (x, y) = (graph.tensors.get(from)?, graph.tensors.get(node.output)?);
    if x.ty != y.ty || x.elements() != y.elements() {
        return None;
    }
    let same = match &node.op {
        NodeOp::Reshape => true,
        NodeOp::Concat { .. } => x.shape == y.shape,
        NodeOp::Pad { .. } => x.shape == y.shape,
        NodeOp::Slice { begin, stride } => {
            let whole = |((&begin, &stride), &length)| begin == 0 && (stride == 1 || length == 1);
            x.shape == y.shape && begin.iter().zip(stride).zip(&x.shape).all(whole)
        }
        NodeOp::Gather { axis, indices } => {
            x.shape.get(*axis) == Some(&indices.len()) && indices.iter().enumerate().all(|(at, &index)| at == index)
        }
        NodeOp::Transpose { perm } => keeps_order(x, perm),
        _ => {
            let table = pointwise::table(graph, node)?;
            let values = intervals.values(from);
            (-128..).zip(table).zip(values).all(|((q, y), occurs): ((i32, i8), bool)| !occurs || i32::from(y) == q)
        }
    };
    same.then_some(from)
}

/// Returns whether the axes of more than one position stay in their order.
fn keeps_order(x: &Tensor, perm: &[usize]) -> bool {
    let long: Vec<usize> = perm.iter().copied().filter(|&axis| x.shape.get(axis).is_some_and(|&n| n != 1)).collect();
    long.is_sorted()
}

/// Makes a transpose of a transpose one.
fn join(rewriter: &mut Rewriter<'_>, number: usize) {
    let Some(Node { op: NodeOp::Transpose { perm }, inputs, .. }) = rewriter.node(number) else { return };
    let &[middle] = inputs.as_slice() else { return };
    let Some(before) = rewriter.writer(middle).and_then(|writer| rewriter.node(writer)) else { return };
    let (NodeOp::Transpose { perm: first }, &[source]) = (&before.op, before.inputs.as_slice()) else { return };
    if rewriter.is_state(source) || rewriter.is_state(middle) {
        return;
    }
    let Some(joined) = perm.iter().map(|&axis| first.get(axis).copied()).collect::<Option<Vec<_>>>() else { return };
    if let Some(node) = rewriter.node_mut(number) {
        node.op = NodeOp::Transpose { perm: joined };
    }
    rewriter.read_instead(number, 0, source);
}
