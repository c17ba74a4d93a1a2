//! One node on given values, by the reference kernels.

use tanbo::{Engine, Model, OpSet, Reference};
use tanbo_format::emit::Aligned;

use crate::emit::{Options, Origin, emit};
use crate::graph::{BoundaryRounding, Graph, Node, Port, SourceType, TensorId};

/// The specification; every other kernel table equals it.
static OPERATORS: OpSet = OpSet::all::<Reference>();

/// Returns the little-endian elements of a node's output for those of its operands, or `None` for a node that is refused,
/// or that keeps states.
pub fn evaluate(graph: &Graph, node: &Node, operands: &[&[u8]]) -> Option<Vec<u8>> {
    if !node.states.is_empty() || operands.len() != node.inputs.len() {
        return None;
    }
    // An operand that stands twice is one input.
    let mut inputs: Vec<(TensorId, &[u8])> = Vec::new();
    for (&tensor, &bytes) in node.inputs.iter().zip(operands) {
        if inputs.iter().all(|&(other, _)| other != tensor) {
            inputs.push((tensor, bytes));
        }
    }
    let place = |tensor: TensorId| inputs.iter().position(|&(other, _)| other == tensor);
    let mut tensors = Vec::new();
    for &(tensor, _) in inputs.iter().chain([&(node.output, &[][..])]) {
        tensors.push(crate::graph::Tensor { data: None, ..graph.tensors.get(tensor)?.clone() });
    }
    let port = |tensor: TensorId| Port {
        name: String::new(),
        tensor,
        source_shape: Vec::new(),
        source_type: SourceType::I8,
        perm: None,
        rounding: BoundaryRounding::HalfEven,
    };
    let alone = Graph {
        nodes: vec![Node {
            inputs: node.inputs.iter().map(|&tensor| place(tensor)).collect::<Option<_>>()?,
            output: inputs.len(),
            ..node.clone()
        }],
        tensors,
        inputs: (0..inputs.len()).map(port).collect(),
        outputs: vec![port(inputs.len())],
        ..Graph::default()
    };
    let artifact = Aligned::new(&emit(&alone, &Options::default(), Origin::default()).ok()?.artifact);
    let model = Model::parse(&artifact).ok()?;
    let mut arena = Aligned::new(&vec![0; model.arena_bytes()]);
    let mut engine = Engine::new(&model, &OPERATORS, &mut arena).ok()?;
    for (number, (_, bytes)) in inputs.iter().enumerate() {
        let slot = engine.input_bytes_mut(number).ok()?;
        if slot.len() != bytes.len() {
            return None;
        }
        slot.copy_from_slice(bytes);
    }
    engine.run().ok()?;
    engine.output_bytes(0).ok().map(<[u8]>::to_vec)
}
