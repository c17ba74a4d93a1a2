//! A graph as text: one line per input, constant, node and output.

use std::fmt::Write as _;

use tanbo_format::emit::{Aligned, StateStart};
use tanbo_format::{Model, Storage};

use crate::emit::{Options, compile_reported, live_nodes};
use crate::graph::{Bias, Clamp, Graph, NodeOp, TensorId, Weights, Window};

/// Most numbers of a list that are written out.
const MOST: usize = 48;

/// Returns a graph as text.
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
    for state in &graph.states {
        let start = match &state.start {
            StateStart::Fill(byte) => format!("all {}", *byte as i8),
            StateStart::Image(bytes) => list(&bytes.iter().map(|&byte| byte as i8).collect::<Vec<_>>()),
        };
        let _ = writeln!(text, "{}: state {} at first {start}", name(state.tensor), facts(state.tensor));
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

/// Returns the plan of a graph as text: its steps in order, then what lies where in the arena, for how long.
///
/// # Panics
/// A graph that is refused: it is not what a test wants.
pub fn plan_text(graph: &Graph, options: &Options) -> String {
    let compiled = compile_reported(graph, options).unwrap_or_else(|error| panic!("{error}"));
    let artifact = Aligned::new(&compiled.artifact);
    let model = Model::parse(&artifact).unwrap_or_else(|error| panic!("{error}"));
    let mut text = format!("arena {} bytes\n", model.arena_bytes());
    let names: Vec<&str> = live_nodes(&compiled.graph)
        .into_iter()
        .filter(|node| !matches!(node.op, NodeOp::Reshape))
        .map(|node| node.name.as_str())
        .collect();
    let storage_of = |tensor: u16| model.tensor(tensor).map_or(u16::MAX, |tensor| tensor.storage);
    for chain in (0..model.chain_count() as u16).filter_map(|chain| model.chain(chain)) {
        let _ = writeln!(text, "chain");
        for (number, step) in chain.filter_map(|number| Some((number, model.step(number)?))) {
            let inputs: Vec<u16> = step.inputs.iter().map(|&input| storage_of(input)).collect();
            let scratch = step.scratch.map(|storage| format!(" scratch {storage}")).unwrap_or_default();
            let name = names.get(usize::from(number)).copied().unwrap_or("?");
            let (op, output) = (step.op.name(), storage_of(step.output));
            let _ = writeln!(text, "    {name}: {op} {} -> {output}{scratch}", joined(&inputs, " "));
        }
    }
    for number in 0..model.storage_count() as u16 {
        let (Some(storage), Some((first, last))) = (model.storage(number), model.storage_lifetime(number)) else {
            continue;
        };
        let _ = match storage {
            Storage::Arena { offset, bytes, ring_rows: 0 } => {
                writeln!(text, "{number}: {offset}..{} in chains {first}..={last}", offset + bytes)
            }
            Storage::Arena { offset, bytes, ring_rows } => {
                writeln!(text, "{number}: {offset}..{} ring of {ring_rows} rows in chain {first}", offset + bytes)
            }
            Storage::State { offset, bytes } => writeln!(text, "{number}: {offset}..{} state", offset + bytes),
            Storage::Constant { bytes, .. } => writeln!(text, "{number}: {bytes} constant bytes"),
        };
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
