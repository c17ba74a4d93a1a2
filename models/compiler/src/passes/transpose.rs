//! Transposes before a fully connected node: the order of the products in a sum does not matter.

use tanbo_format::ElementType;

use super::rewrite::Rewriter;
use crate::graph::{Graph, Node, NodeOp, TensorId};

/// Moves transposes of all values of a row into the weights that read them.
pub(super) fn into_weights(graph: &mut Graph) -> bool {
    let mut rewriter = Rewriter::new(graph);
    for number in 0..rewriter.graph.nodes.len() {
        if let Some((source, columns)) = source(&rewriter, number)
            && let Some(Node { op: NodeOp::FullyConnected { weights, .. }, .. }) = rewriter.node_mut(number)
        {
            let rows = weights.data.chunks_exact(columns.len());
            // Value k of the source stands at columns[k] of the row that was read.
            let moved = rows.flat_map(|row| columns.iter().filter_map(|&column| row.get(column).copied()));
            weights.data = moved.collect();
            rewriter.read_instead(number, 0, source);
        }
    }
    rewriter.finish()
}

/// Returns the tensor before the transpose that a fully connected node reads, maybe through a view, and for each of its
/// values the column that meets it; only if the node takes the whole tensor as one row.
fn source(rewriter: &Rewriter<'_>, number: usize) -> Option<(TensorId, Vec<usize>)> {
    let node = rewriter.node(number)?;
    let (NodeOp::FullyConnected { weights, .. }, &[input]) = (&node.op, node.inputs.as_slice()) else { return None };
    let mut tensor = input;
    let mut before = rewriter.node(rewriter.writer(tensor)?)?;
    while let (NodeOp::Reshape, &[from]) = (&before.op, before.inputs.as_slice()) {
        tensor = from;
        before = rewriter.node(rewriter.writer(tensor)?)?;
    }
    let (NodeOp::Transpose { perm }, &[source]) = (&before.op, before.inputs.as_slice()) else { return None };
    let (x, y, read) = (
        rewriter.graph.tensors.get(source)?,
        rewriter.graph.tensors.get(before.output)?,
        rewriter.graph.tensors.get(input)?,
    );
    let depth = weights.data.len().checked_div(weights.bias.len())?;
    let alike = (x.ty, x.scale, x.zero_point) == (read.ty, read.scale, read.zero_point) && x.ty == ElementType::I8;
    if depth != x.elements() || depth == 0 || !alike || rewriter.is_state(source) || perm.len() != x.shape.len() {
        return None;
    }
    // For each axis of the source, how far apart neighbours along it lie in the transposed tensor.
    let mut apart = vec![0; perm.len()];
    let mut stride = 1;
    for (&axis, &length) in perm.iter().zip(&y.shape).rev() {
        *apart.get_mut(axis)? = stride;
        stride *= length;
    }
    let mut columns = vec![0];
    for (&length, &apart) in x.shape.iter().zip(&apart) {
        columns = columns.into_iter().flat_map(|base| (0..length).map(move |i| base + i * apart)).collect();
    }
    Some((source, columns))
}
