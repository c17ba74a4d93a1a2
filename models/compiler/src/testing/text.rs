//! A graph as text: one line per input, constant, node and output.

use std::fmt::Write as _;

use crate::graph::{Bias, Clamp, Graph, NodeOp, TensorId, Weights, Window};

/// Most numbers of a list that are written out.
const MOST: usize = 48;

/// Returns a graph as text, its states aside.
pub fn text(graph: &Graph) -> String {
    let mut text = String::new();
    let name = |tensor: TensorId| graph.tensors.get(tensor).map_or("?", |tensor| tensor.name.as_str());
    let facts = |tensor: TensorId| match graph.tensors.get(tensor) {
        Some(t) => format!("{} {} {}{:+}", t.ty.name(), joined(&t.shape, "x"), t.scale, t.zero_point),
        None => "?".into(),
    };
    for port in &graph.inputs {
        let _ = writeln!(text, "{}: input {}", name(port.tensor), facts(port.tensor));
    }
    let read = |tensor: &TensorId| graph.nodes.iter().any(|node| node.inputs.contains(tensor));
    for tensor in (0..graph.tensors.len()).filter(read) {
        if let Some(data) = graph.tensors.get(tensor).and_then(|record| record.data.as_ref()) {
            let values: Vec<i8> = data.iter().map(|&byte| byte as i8).collect();
            let _ = writeln!(text, "{}: constant {} {}", name(tensor), facts(tensor), list(&values));
        }
    }
    for node in &graph.nodes {
        let inputs: Vec<&str> = node.inputs.iter().map(|&tensor| name(tensor)).collect();
        let _ = writeln!(text, "{}: {}({}) {}", name(node.output), op(&node.op), inputs.join(", "), facts(node.output));
        if let Some(weights) = weights(&node.op) {
            let bias = match &weights.bias {
                Bias::I32(bias) => list(bias),
                Bias::I64(bias) => list(bias),
            };
            let bits = if weights.four_bits { " of four bits" } else { "" };
            let _ = writeln!(text, "    weights{bits} {}", list(&weights.data));
            let _ = writeln!(text, "    bias {bias} scales {}", list(&weights.scales));
        }
    }
    for port in &graph.outputs {
        let _ = writeln!(text, "output {}", name(port.tensor));
    }
    text
}

fn joined<T: ToString>(values: &[T], between: &str) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
}

/// Returns numbers written out, or how many there are.
fn list<T: ToString>(values: &[T]) -> String {
    if values.len() > MOST { format!("[{} values]", values.len()) } else { format!("[{}]", joined(values, " ")) }
}

fn weights(op: &NodeOp) -> Option<&Weights> {
    match op {
        NodeOp::Conv2d { weights, .. }
        | NodeOp::DepthwiseConv2d { weights, .. }
        | NodeOp::TransposeConv2d { weights, .. }
        | NodeOp::FullyConnected { weights, .. } => Some(weights),
        _ => None,
    }
}

fn op(op: &NodeOp) -> String {
    let taps = |window: &Window| {
        let Window { kernel, stride, dilation, pad } = window;
        let dilation = if *dilation == [1, 1] { String::new() } else { format!(" dilation {}", joined(dilation, "x")) };
        format!("{} stride {}{dilation} pad {}", joined(kernel, "x"), joined(stride, "x"), joined(pad, "x"))
    };
    let bounds = |clamp: &Clamp| match *clamp {
        Clamp::INT8 => String::new(),
        Clamp { low, high } => format!(" {low}..{high}"),
    };
    match op {
        NodeOp::Conv2d { window, groups, clamp, .. } => {
            let groups = if *groups == 1 { String::new() } else { format!(" groups {groups}") };
            format!("conv2d {}{groups}{} ", taps(window), bounds(clamp))
        }
        NodeOp::DepthwiseConv2d { window, clamp, .. } => format!("depthwise {}{} ", taps(window), bounds(clamp)),
        NodeOp::TransposeConv2d { window, clamp, .. } => format!("transpose_conv2d {}{} ", taps(window), bounds(clamp)),
        NodeOp::FullyConnected { clamp, .. } => format!("fully_connected{} ", bounds(clamp)),
        NodeOp::AveragePool2d { window, clamp, .. } => format!("average {}{} ", taps(window), bounds(clamp)),
        NodeOp::MaxPool2d { window, clamp } => format!("max {}{} ", taps(window), bounds(clamp)),
        NodeOp::Add { clamp } => format!("add{} ", bounds(clamp)),
        NodeOp::Requantize { clamp } => format!("requantize{} ", bounds(clamp)),
        NodeOp::Lut { table } => {
            let ends = [table.first(), table.last()].map(|end| end.copied().unwrap_or(0));
            format!("table {}..{} ", ends[0], ends[1])
        }
        NodeOp::Pad { before, value } => format!("pad {} with {value} ", joined(before, "x")),
        NodeOp::Concat { axis } => format!("concat {axis} "),
        NodeOp::Slice { begin, stride } => format!("slice {} by {} ", joined(begin, "x"), joined(stride, "x")),
        NodeOp::Transpose { perm } => format!("transpose {} ", joined(perm, "x")),
        NodeOp::Reshape => "view".into(),
        other => format!("{other:?} "),
    }
}
