//! Removes what layout left behind: reshapes of reshapes, transposes that cancel, transposes of inputs
//! that the host can do at the boundary, nodes that nothing reads.

use super::builder::long_axes;
use crate::graph::{Graph, Node, NodeOp, Port, TensorId};

/// Simplifies `graph` without changing a value; `values` follow the tensors or are dropped with them.
pub(super) fn cleanup(graph: &mut Graph, values: &mut Vec<Port>) {
    merge(graph, values);
    fold_inputs(graph, values);
    remove_dead(graph, values);
}

/// Merges neighbours and drops moves that change nothing.
fn merge(graph: &mut Graph, values: &mut [Port]) {
    let mut producer: Vec<Option<usize>> = vec![None; graph.tensors.len()];
    // What stands for a tensor whose node is dropped.
    let mut stands_for: Vec<TensorId> = (0..graph.tensors.len()).collect();
    // The tensor that holds the same elements in the same order and is no view.
    let mut root = stands_for.clone();
    let mut nodes: Vec<Node> = Vec::with_capacity(graph.nodes.len());
    for mut node in std::mem::take(&mut graph.nodes) {
        for input in &mut node.inputs {
            *input = stands_for.get(*input).copied().unwrap_or(*input);
        }
        let before =
            node.inputs.first().and_then(|&input| producer.get(input).copied().flatten()).and_then(|i| nodes.get(i));
        match (&node.op, before.map(|n| (&n.op, n.inputs.as_slice()))) {
            (NodeOp::Reshape, Some((NodeOp::Reshape, &[source]))) if same_quant(graph, source, node.output) => {
                node.inputs = vec![source];
            }
            (NodeOp::Transpose { perm }, Some((NodeOp::Transpose { perm: first }, &[source]))) => {
                let perm: Vec<usize> = perm.iter().filter_map(|&p| first.get(p).copied()).collect();
                node.op = NodeOp::Transpose { perm };
                node.inputs = vec![source];
            }
            _ => {}
        }
        if let (NodeOp::Transpose { perm }, Some(source)) = (&node.op, source_of(graph, &node)) {
            let identity: Vec<usize> = (0..source.shape.len()).collect();
            if long_axes(&source.shape, perm) == long_axes(&source.shape, &identity) {
                node.op = NodeOp::Reshape;
            }
        }
        if let (NodeOp::Reshape, &[source]) = (&node.op, node.inputs.as_slice()) {
            let shape = |t: TensorId| graph.tensors.get(t).map(|t| &t.shape);
            let same = same_quant(graph, source, node.output);
            let of = root.get(source).copied().filter(|_| same);
            if let (Some(of), Some(slot)) = (of, root.get_mut(node.output)) {
                *slot = of;
            }
            if same && shape(source) == shape(node.output) {
                if let Some(slot) = stands_for.get_mut(node.output) {
                    *slot = source;
                }
                continue;
            }
        }
        if let Some(slot) = producer.get_mut(node.output) {
            *slot = Some(nodes.len());
        }
        nodes.push(node);
    }
    graph.nodes = nodes;
    // A port may reshape: it needs no view.
    for port in graph.outputs.iter_mut().chain(values) {
        port.tensor = root.get(port.tensor).copied().unwrap_or(port.tensor);
    }
}

fn source_of<'a>(graph: &'a Graph, node: &Node) -> Option<&'a crate::graph::Tensor> {
    node.inputs.first().and_then(|&t| graph.tensors.get(t))
}

fn same_quant(graph: &Graph, a: TensorId, b: TensorId) -> bool {
    match (graph.tensors.get(a), graph.tensors.get(b)) {
        (Some(a), Some(b)) => (a.scale, a.zero_point, a.ty) == (b.scale, b.zero_point, b.ty),
        _ => false,
    }
}

/// Lets the host reorder an input of which the model only reads a transposed or reshaped form.
fn fold_inputs(graph: &mut Graph, values: &mut Vec<Port>) {
    for i in 0..graph.inputs.len() {
        let mut reshaped = false;
        while let Some(port) = graph.inputs.get(i) {
            let tensor = port.tensor;
            let mut readers = graph.nodes.iter().enumerate().filter(|(_, node)| node.inputs.contains(&tensor));
            let (Some((at, node)), None) = (readers.next(), readers.next()) else { break };
            let elsewhere = graph.outputs.iter().any(|output| output.tensor == tensor || output.tensor == node.output)
                || graph.inputs.iter().filter(|input| input.tensor == tensor).count() > 1;
            if elsewhere || !same_quant(graph, tensor, node.output) {
                break;
            }
            let output = node.output;
            let perm = match &node.op {
                NodeOp::Transpose { perm } if !reshaped => Some(perm.clone()),
                NodeOp::Reshape => None,
                _ => break,
            };
            reshaped |= perm.is_none();
            graph.nodes.remove(at);
            let follow = |port: &mut Port| {
                if port.tensor == tensor {
                    port.tensor = output;
                    if let Some(perm) = &perm {
                        let old = port.perm.clone().unwrap_or_else(|| (0..port.source_shape.len()).collect());
                        port.perm = Some(perm.iter().filter_map(|&p| old.get(p).copied()).collect());
                    }
                }
            };
            // A value of another rank than the tensor cannot follow a transpose.
            values.retain(|v| v.tensor != tensor || perm.as_ref().is_none_or(|p| p.len() == v.source_shape.len()));
            graph.inputs.iter_mut().chain(values.iter_mut()).for_each(follow);
        }
    }
}

/// Removes nodes that no output depends on and tensors that nothing names.
fn remove_dead(graph: &mut Graph, values: &mut Vec<Port>) {
    let mut live = vec![false; graph.tensors.len()];
    let mut mark = |t: TensorId| {
        if let Some(slot) = live.get_mut(t) {
            *slot = true;
        }
    };
    graph.outputs.iter().chain(&graph.inputs).for_each(|port| mark(port.tensor));
    let mut kept = Vec::with_capacity(graph.nodes.len());
    for node in std::mem::take(&mut graph.nodes).into_iter().rev() {
        if live.get(node.output) == Some(&true) {
            for &input in node.inputs.iter().chain(&node.states) {
                if let Some(slot) = live.get_mut(input) {
                    *slot = true;
                }
            }
            kept.push(node);
        }
    }
    kept.reverse();
    graph.nodes = kept;
    let mut renumbered = vec![None; graph.tensors.len()];
    let mut tensors = Vec::new();
    for ((tensor, slot), &live) in std::mem::take(&mut graph.tensors).into_iter().zip(&mut renumbered).zip(&live) {
        if live {
            *slot = Some(tensors.len());
            tensors.push(tensor);
        }
    }
    graph.tensors = tensors;
    let new = |t: TensorId| renumbered.get(t).copied().flatten();
    values.retain(|port| new(port.tensor).is_some());
    for port in graph.inputs.iter_mut().chain(&mut graph.outputs).chain(values) {
        port.tensor = new(port.tensor).unwrap_or(port.tensor);
    }
    graph.states.retain(|state| new(state.tensor).is_some());
    for state in &mut graph.states {
        state.tensor = new(state.tensor).unwrap_or(state.tensor);
    }
    for node in &mut graph.nodes {
        node.output = new(node.output).unwrap_or(node.output);
        for input in node.inputs.iter_mut().chain(&mut node.states) {
            *input = new(*input).unwrap_or(*input);
        }
    }
}
