//! Graphs, run by the reference kernels.

use std::collections::HashMap;

use tanbo::{Engine, Model, OpSet, Reference};
use tanbo_format::emit::Aligned;

use crate::graph::{Graph, NodeOp, TensorId};
use crate::passes::evaluate;

static OPERATORS: OpSet = OpSet::all::<Reference>();

/// Returns bytes for every input of a graph: evenly distributed, or only extremes, or all the same.
pub fn random_inputs(graph: &Graph, random: &mut fastrand::Rng) -> Vec<Vec<u8>> {
    let kind = random.u8(..4);
    let value = random.u8(..);
    let mut byte = || match kind {
        0 => value,
        1 => *random.choice(&[0x7f, 0x80]).unwrap_or(&0),
        _ => random.u8(..),
    };
    let length = |tensor: TensorId| graph.tensors.get(tensor).map_or(0, |t| t.elements() * t.ty.bytes());
    graph.inputs.iter().map(|port| (0..length(port.tensor)).map(|_| byte()).collect()).collect()
}

/// Returns the bytes of every tensor of a graph without states, each node run on its own.
///
/// # Panics
/// A node that is refused: the graph is not what a test wants.
pub fn run(graph: &Graph, inputs: &[Vec<u8>]) -> HashMap<TensorId, Vec<u8>> {
    let mut values: HashMap<TensorId, Vec<u8>> = HashMap::new();
    values.extend(graph.inputs.iter().map(|port| port.tensor).zip(inputs.iter().cloned()));
    let constants = graph.tensors.iter().enumerate();
    values.extend(constants.filter_map(|(tensor, record)| Some((tensor, record.data.clone()?))));
    for node in &graph.nodes {
        let operands: Vec<&[u8]> = node.inputs.iter().filter_map(|x| values.get(x)).map(Vec::as_slice).collect();
        let value = match (&node.op, operands.as_slice()) {
            (NodeOp::Reshape, &[bytes]) => Some(bytes.to_vec()),
            _ => evaluate(graph, node, &operands),
        };
        let value = value.unwrap_or_else(|| panic!("node '{}' of '{}' cannot be run: {node:?}", node.name, graph.name));
        values.insert(node.output, value);
    }
    values
}

/// Returns the outputs of an artifact.
///
/// # Panics
/// An artifact that is refused.
pub fn run_artifact(artifact: &[u8], inputs: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let artifact = Aligned::new(artifact);
    let model = Model::parse(&artifact).unwrap_or_else(|error| panic!("{error}"));
    let mut arena = Aligned::new(&vec![0x55; model.arena_bytes()]);
    let mut engine = Engine::new(&model, &OPERATORS, &mut arena).unwrap_or_else(|error| panic!("{error}"));
    for (number, bytes) in inputs.iter().enumerate() {
        let slot = engine.input_bytes_mut(number).unwrap_or_else(|error| panic!("input {number}: {error}"));
        slot.copy_from_slice(bytes);
    }
    engine.run().unwrap_or_else(|error| panic!("{error}"));
    let output = |number| engine.output_bytes(number).map(<[u8]>::to_vec);
    (0..model.outputs().len()).map(|n| output(n).unwrap_or_else(|error| panic!("output {n}: {error}"))).collect()
}
