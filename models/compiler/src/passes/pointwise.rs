//! Nodes that compute each int8 value from one int8 value.

use tanbo_format::{ElementType, attrs};
use tanbo_quant::{Rounding, requantize};

use crate::graph::{Graph, Node, NodeOp};
use crate::lower::lower;

/// A function of int8: element `q + 128` is the value of `q`.
pub(super) type Table = [i8; 256];

/// Returns the function that a node applies to every element of its one input, if that is all it does.
pub(super) fn table(graph: &Graph, node: &Node) -> Option<Table> {
    let &[input] = node.inputs.as_slice() else { return None };
    let (x, y) = (graph.tensors.get(input)?, graph.tensors.get(node.output)?);
    if x.ty != ElementType::I8 || y.ty != ElementType::I8 || x.elements() != y.elements() || !node.states.is_empty() {
        return None;
    }
    let of = |f: &dyn Fn(i32) -> i32| {
        let mut table = [0; 256];
        for (q, slot) in (-128..).zip(&mut table) {
            *slot = i8::try_from(f(q)).ok()?;
        }
        Some(table)
    };
    match &node.op {
        NodeOp::Lut { table } => Some(**table),
        NodeOp::Requantize { .. } | NodeOp::Scale { .. } => {
            let lowered = lower(graph, node).ok()??;
            let attrs::Requantize { range, multiplier } = attrs::Requantize::from_words(&lowered.attrs)?;
            let multiplier = multiplier.get()?;
            let attrs::Range { input_zero_point, output_zero_point, low, high } = range;
            of(&|q| requantize(q - input_zero_point, multiplier, node.rounding, output_zero_point, low, high))
        }
        NodeOp::MaxPool2d { window, clamp } if window.kernel == [1, 1] => of(&|q| q.max(clamp.low).min(clamp.high)),
        NodeOp::AveragePool2d { window, clamp, .. } if window.kernel == [1, 1] && node.rounding == Rounding::Tflite => {
            of(&|q| q.max(clamp.low).min(clamp.high))
        }
        _ => None,
    }
}
