//! Nodes of constants.

use super::evaluate::evaluate;
use super::rewrite::shown;
use crate::graph::{Graph, NodeOp};

/// Most bytes that a folded constant may have beyond those it is made of.
const MOST_GROWTH: usize = 64;

/// Turns what is computed of constants alone into constants.
pub(super) fn constants(graph: &mut Graph) -> bool {
    let mut changed = false;
    // A view of a constant has the constant's bytes.
    let mut root: Vec<usize> = (0..graph.tensors.len()).collect();
    let mut folded = vec![false; graph.nodes.len()];
    let mut writers = vec![0usize; graph.tensors.len()];
    for node in &graph.nodes {
        if let Some(writers) = writers.get_mut(node.output) {
            *writers += 1;
        }
    }
    // An output must be computed.
    let mut fixed = shown(graph);
    for state in &graph.states {
        if let Some(flag) = fixed.get_mut(state.tensor) {
            *flag = true;
        }
    }
    for (number, node) in graph.nodes.iter().enumerate() {
        if let (NodeOp::Reshape, &[from]) = (&node.op, node.inputs.as_slice()) {
            let of = root.get(from).copied().unwrap_or(from);
            if let Some(slot) = root.get_mut(node.output) {
                *slot = of;
            }
            continue;
        }
        let operands: Option<Vec<&[u8]>> =
            node.inputs.iter().map(|&x| graph.tensors.get(*root.get(x)?)?.data.as_deref()).collect();
        let Some(operands) = operands.filter(|operands| !operands.is_empty()) else { continue };
        let Some(output) = graph.tensors.get(node.output).filter(|output| output.data.is_none()) else { continue };
        let bytes = output.elements() * output.ty.bytes();
        let limit = operands.iter().map(|operand| operand.len()).sum::<usize>() + MOST_GROWTH;
        if bytes > limit || fixed.get(node.output) != Some(&false) || writers.get(node.output) != Some(&1) {
            continue;
        }
        let Some(value) = evaluate(graph, node, &operands) else { continue };
        let tensor = node.output;
        if let (Some(tensor), Some(flag)) = (graph.tensors.get_mut(tensor), folded.get_mut(number)) {
            tensor.data = Some(value);
            *flag = true;
            changed = true;
        }
    }
    let mut folded = folded.iter();
    graph.nodes.retain(|_| folded.next() == Some(&false));
    changed
}
