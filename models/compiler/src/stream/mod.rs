//! Hop streaming: a model of windows becomes one that computes only what a hop adds to the window before.
//!
//! Windows of a signal that begin `hop` rows apart have most of their rows in common, and so do the tensors that a model
//! computes of them. What a tensor's rows of this window are in the next follows from strides and padding
//! (`time.rs`); which of them a hop computes and which it keeps, from what reads them (`rows.rs`). Rows that padding reaches
//! differ in every window and are computed anew; so is everything behind a node that needs the whole window, from rows
//! that are kept. Every output equals that of the windowed model in every bit, from the first hop on: before it,
//! the signal counts as having been at the input's zero point, and states begin with what that leaves in them
//! (`prove.rs`, which also compares both before anything is written).
//!
//! Time is an axis of the model's one input. Rows are its positions; the hop is what an inference takes in, the window
//! what the model was made for.

mod build;
mod prove;
mod rows;
mod time;

use std::collections::BTreeSet;
use std::fmt;

use build::Builder;
use rows::Rows;
use tanbo_format::Hops;
use time::{Time, Treatment, treatment, viewed};

use crate::emit::{Options, live_macs, node_macs};
use crate::error::{CompileError, CompileErrorKind};
use crate::graph::{Graph, Node, NodeOp, Port, TensorId};

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streaming {
    /// Input rows from one window to the next; `None`: the fewest with which every tensor moves by whole rows.
    pub hop: Option<usize>,
    /// Axis of the input, as the source has it, that is time; `None`: the first with which streaming saves anything.
    pub axis: Option<usize>,
}

/// A streamed graph.
#[derive(Clone, Debug)]
pub struct Streamed {
    /// The graph of one hop.
    pub graph: Graph,
    /// Input rows of a window.
    pub window: usize,
    /// Input rows of a hop.
    pub hop: usize,
    /// Multiply-accumulates of the windowed graph, padding taps counted.
    pub windowed_macs: u64,
    /// Multiply-accumulates of a hop.
    pub macs: u64,
    /// Nodes that a hop computes over the whole window.
    pub whole: Vec<Whole>,
    /// Hops over which both graphs were compared; 0 until then.
    pub proved_hops: usize,
}

impl Streamed {
    /// Returns what the artifact's header says of it.
    ///
    /// # Errors
    /// A window of 2^32 rows and more.
    pub fn hops(&self) -> Result<Hops, CompileError> {
        match (u32::try_from(self.window), u32::try_from(self.hop)) {
            (Ok(window_rows), Ok(hop_rows)) => Ok(Hops { window_rows, hop_rows, window_macs: self.windowed_macs }),
            _ => Err(CompileError::new(
                CompileErrorKind::TooLarge,
                format!("model '{}'", self.graph.name),
                format!("its window has {} rows", self.window),
                "use a shorter window",
            )),
        }
    }
}

/// A node that is computed over the whole window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Its name.
    pub node: String,
    /// Why.
    pub reason: String,
    /// What makes it move with the hops.
    pub remedy: &'static str,
    /// Multiply-accumulates.
    pub macs: u64,
}

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node '{}' takes the whole window: {}", self.node, self.reason)
    }
}

/// Returns the graph of one hop of a graph of windows, proved on random input to give the same bits.
///
/// # Errors
/// A graph with several inputs, or with states of its own; a hop or an axis that does not exist; a graph of which a hop
/// would take no fewer multiply-accumulates than a window, with the node that is to blame.
pub fn stream(windowed: &Graph, asked: &Streaming, options: &Options) -> Result<Streamed, CompileError> {
    if !options.front_end.is_empty() {
        let reason =
            "its front end measures against a running average, so that all features of a window change with every hop";
        let remedy = "leave --stream or --front-end away";
        return Err(unsupported(format!("model '{}'", windowed.name), reason, remedy));
    }
    let input = only_input(windowed)?;
    let axes = axes(windowed, input, asked.axis)?;
    let mut first_refusal = None;
    for time in axes {
        match stream_along(windowed, input, time, asked.hop) {
            Ok(mut streamed) => {
                streamed.proved_hops = prove::prove(windowed, &streamed, &time, options)?;
                return Ok(streamed);
            }
            Err(refusal) => first_refusal = first_refusal.or(Some(refusal)),
        }
    }
    Err(first_refusal.unwrap_or_else(|| {
        let reason = "no axis of it can be time: each is one position long, or its channels";
        unsupported(format!("input '{}'", input.name), reason, "name the axis with --time-axis")
    }))
}

fn unsupported(place: String, reason: impl Into<String>, remedy: impl Into<String>) -> CompileError {
    CompileError::new(CompileErrorKind::Unsupported, place, reason, remedy)
}

fn inconsistent(graph: &Graph) -> CompileError {
    let place = format!("model '{}'", graph.name);
    CompileError::new(CompileErrorKind::Inconsistent, place, "its nodes' shapes do not fit", "export the model again")
}

/// Returns the one input of a graph that can be streamed.
fn only_input(graph: &Graph) -> Result<&Port, CompileError> {
    let place = || format!("model '{}'", graph.name);
    for node in &graph.nodes {
        let begins_anew = match &node.op {
            NodeOp::Lstm { weights, .. } | NodeOp::Gru { weights, .. } => !weights.keep,
            _ => node.states.is_empty(),
        };
        let carried =
            graph.states.iter().any(|state| state.tensor == node.output || node.inputs.contains(&state.tensor));
        if !begins_anew || carried {
            let reason = "it carries a state from one run to the next already: what a run takes in is a hop";
            return Err(unsupported(format!("node '{}'", node.name), reason, "leave --stream away"));
        }
    }
    match graph.inputs.as_slice() {
        [input] => Ok(input),
        inputs => {
            let reason = format!("it has {} inputs, and which of them move in time is not known", inputs.len());
            Err(unsupported(place(), reason, "join them into one input, with time as an axis"))
        }
    }
}

/// Returns where time may lie in the input, the likeliest first.
fn axes(graph: &Graph, input: &Port, asked: Option<usize>) -> Result<Vec<Time>, CompileError> {
    let place = || format!("input '{}'", input.name);
    let shape = graph.tensors.get(input.tensor).map(|tensor| tensor.shape.as_slice()).unwrap_or_default();
    let time = |(axis, inner): (usize, usize), rows| Time { axis, inner, rows, stride: 1, head: 0, tail: 0 };
    if let Some(axis) = asked {
        let source = &input.source_shape;
        let rows = source.get(axis).copied().filter(|&rows| rows > 1).ok_or_else(|| {
            let remedy = "give an axis of more than one position, counted from 0";
            unsupported(place(), format!("its shape {source:?} has no time axis {axis}"), remedy)
        })?;
        let (ordered, at) = ordered(input, axis).ok_or_else(|| inconsistent(graph))?;
        return match viewed(&ordered, (at, 1, rows), shape) {
            Some(found) => Ok(vec![time(found, rows)]),
            None => Err(unsupported(place(), "its time axis is mixed with others", "export the model with time first")),
        };
    }
    // Time flattened with what follows: the model's first act is to view it as an image.
    let view = graph.nodes.iter().find(|node| matches!(node.op, NodeOp::Reshape) && node.inputs == [input.tensor]);
    let seen = view.and_then(|view| graph.tensors.get(view.output)).map(|tensor| tensor.shape.as_slice());
    let flat = seen.is_some() && shape.iter().filter(|&&length| length > 1).count() < 2 && shape.len() < 3;
    let shapes = [Some(shape).filter(|_| !flat), seen];
    let mut found = Vec::new();
    for from in shapes.into_iter().flatten() {
        let first = usize::from(from.len() > 2 || from.first() == Some(&1));
        let long = (first..from.len()).filter(|&axis| from.get(axis).is_some_and(|&rows| rows > 1));
        // An image's columns are no time where it has rows; of three axes the second may be channels.
        for axis in long.take(if from.len() == 3 { 2 } else { 1 }) {
            let rows = from.get(axis).copied().unwrap_or(1);
            found.extend(viewed(from, (axis, 1, rows), shape).map(|place| time(place, rows)));
        }
    }
    found.dedup();
    Ok(found)
}

/// Returns the shape of an input in the order of the graph's tensor, and where the source's axis is in it.
fn ordered(input: &Port, axis: usize) -> Option<(Vec<usize>, usize)> {
    let perm = input.perm.clone().unwrap_or_else(|| (0..input.source_shape.len()).collect());
    let shape = perm.iter().map(|&from| input.source_shape.get(from).copied()).collect::<Option<Vec<_>>>()?;
    Some((shape, perm.iter().position(|&from| from == axis)?))
}

/// How each node treats time, and where it lies in each tensor.
struct Analysis {
    treatments: Vec<Treatment>,
    times: Vec<Option<Time>>,
}

impl Analysis {
    fn of(graph: &Graph, input: TensorId, time: Time, hop: usize) -> Self {
        let mut times = vec![None; graph.tensors.len()];
        let set = |times: &mut Vec<Option<Time>>, tensor: TensorId, time: Time| {
            if let Some(slot) = times.get_mut(tensor) {
                *slot = Some(time);
            }
        };
        set(&mut times, input, time);
        let mut treatments = Vec::new();
        for node in &graph.nodes {
            let treatment = treatment(graph, node, &times, hop);
            if let Treatment::Rows(_, time) = treatment {
                set(&mut times, node.output, time);
            }
            treatments.push(treatment);
        }
        Self { treatments, times }
    }
}

/// Returns the least common multiple of the strides of all tensors of more than one row.
fn common_stride(times: &[Option<Time>]) -> usize {
    let gcd = |mut a: usize, mut b: usize| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let strides: BTreeSet<usize> =
        times.iter().flatten().filter(|time| time.rows > 1).map(|time| time.stride).collect();
    strides.into_iter().fold(1, |all, stride| all / gcd(all, stride) * stride)
}

fn stream_along(windowed: &Graph, input: &Port, time: Time, hop: Option<usize>) -> Result<Streamed, CompileError> {
    let window = time.rows;
    let hop = hop.unwrap_or_else(|| common_stride(&Analysis::of(windowed, input.tensor, time, 1).times));
    if hop == 0 || hop >= window {
        let reason = match hop {
            0 => "a hop of no rows adds nothing".into(),
            _ => format!("windows of {window} rows that begin {hop} apart have none in common"),
        };
        let remedy = format!("give --hop from 1 to {}", window - 1);
        return Err(unsupported(format!("input '{}'", input.name), reason, remedy));
    }
    let Analysis { treatments, times } = Analysis::of(windowed, input.tensor, time, hop);
    let plan = rows::plan(windowed, &treatments, &times, hop);
    let (mut graph, kept) =
        Builder::build(windowed, &treatments, &times, &plan, hop).ok_or_else(|| inconsistent(windowed))?;
    let (windowed_macs, macs) = (live_macs(windowed), live_macs(&graph));
    let whole = whole(windowed, &treatments, &times, &plan, hop);
    if macs >= windowed_macs {
        return Err(does_not_pay(windowed, &whole, macs, windowed_macs, hop));
    }
    let port = graph.inputs.first_mut().ok_or_else(|| inconsistent(windowed))?;
    source_shape(port, windowed, &time, hop).ok_or_else(|| inconsistent(windowed))?;
    prove::start_states(windowed, &times, &kept, &mut graph)?;
    Ok(Streamed { graph, window, hop, windowed_macs, macs, whole, proved_hops: 0 })
}

/// Makes the input's shape in the source that of a hop.
fn source_shape(port: &mut Port, windowed: &Graph, time: &Time, hop: usize) -> Option<()> {
    let (ordered, _) = ordered(port, 0)?;
    let shape = &windowed.tensors.get(port.tensor)?.shape;
    let (axis, inner) = viewed(shape, (time.axis, time.inner, time.rows), &ordered)?;
    let axis = port.perm.as_ref().map_or(Some(axis), |perm| perm.get(axis).copied())?;
    *port.source_shape.get_mut(axis)? = hop * inner;
    Some(())
}

/// Why a node behind one that needs the whole window is computed.
const BEHIND: &str = "it reads what was computed over the whole window";
/// Why a node behind one whose rows do not move by whole rows is.
const LIKE_BEFORE: &str = "its rows do not move by whole rows, like those before it";
const OTHER_AXIS: &str = "leave --stream away, or name the axis that is time with --time-axis";
const SHORTER_HOP: &str = "give a shorter --hop, or leave --stream away";

/// Returns the nodes that are computed over the whole window though they have multiply-accumulates.
fn whole(graph: &Graph, treatments: &[Treatment], times: &[Option<Time>], plan: &[Rows], hop: usize) -> Vec<Whole> {
    let mut found = Vec::new();
    // What a node before needed the whole window for, its readers need too.
    let mut behind = vec![false; graph.tensors.len()];
    for (node, treatment) in graph.nodes.iter().zip(treatments) {
        let cause: Option<(String, &'static str)> = match treatment {
            Treatment::Timeless => {
                let after = node.inputs.iter().any(|&x| behind.get(x) == Some(&true));
                after.then(|| (BEHIND.into(), OTHER_AXIS))
            }
            Treatment::Window(reason) => Some((
                (*reason).into(),
                match node.op {
                    NodeOp::Lstm { .. } | NodeOp::Gru { .. } => {
                        "export the model with its state as a variable (TFLite) that one run leaves to the next, or leave --stream away"
                    }
                    _ => OTHER_AXIS,
                },
            )),
            Treatment::Rows(_, time) => {
                let computed: usize =
                    plan.get(node.output).map_or(0, |rows| rows.computed.iter().map(ExactSizeIterator::len).sum());
                (computed == time.rows && time.rows > 1).then(|| all_rows(node, time, times, hop))
            }
        };
        let (macs, window) = (node_macs(graph, node), matches!(treatment, Treatment::Window(_)));
        if let (Treatment::Timeless | Treatment::Window(_), Some(_), Some(flag)) =
            (treatment, &cause, behind.get_mut(node.output))
        {
            *flag = true;
        }
        if let Some((reason, remedy)) = cause.filter(|_| macs > 0 || window) {
            found.push(Whole { node: node.name.clone(), reason, remedy, macs });
        }
    }
    found
}

/// Returns why all rows of a node's output are computed anew, and what helps.
fn all_rows(node: &Node, time: &Time, times: &[Option<Time>], hop: usize) -> (String, &'static str) {
    const MULTIPLE: &str = "give a --hop that is a multiple of its stride, or leave --stream away";
    let Time { rows, stride, head, tail, .. } = *time;
    if !hop.is_multiple_of(stride) {
        let mut before = node.inputs.iter().filter_map(|&x| times.get(x).copied().flatten());
        return if before.all(|time| hop.is_multiple_of(time.stride)) {
            (format!("its rows are {stride} input rows apart, and a hop of {hop} is no multiple of that"), MULTIPLE)
        } else {
            (LIKE_BEFORE.into(), MULTIPLE)
        };
    }
    if head + tail == 0 {
        return (format!("a hop renews all of its {rows} rows"), SHORTER_HOP);
    }
    let (reached, added) = ((head + tail).min(rows), hop / stride);
    let remedy = "give a shorter --hop, export the model without padding in time, or leave --stream away";
    (format!("padding reaches {reached} of its {rows} rows, and a hop adds {added}"), remedy)
}

/// Returns the refusal of a graph of which a hop would take as much as a window.
fn does_not_pay(graph: &Graph, whole: &[Whole], macs: u64, windowed: u64, hop: usize) -> CompileError {
    let cost = format!("a hop of {hop} rows would take {macs} multiply-accumulates, the whole window takes {windowed}");
    // The dearest with what follows it.
    let mut blame: Option<(u64, &Whole)> = None;
    let mut at: Option<(u64, &Whole)> = None;
    for node in whole {
        at = match at {
            Some((macs, cause)) if [BEHIND, LIKE_BEFORE].contains(&node.reason.as_str()) => {
                Some((macs + node.macs, cause))
            }
            _ => Some((node.macs, node)),
        };
        if at.map(|(macs, _)| macs) > blame.map(|(macs, _)| macs) || blame.is_none() {
            blame = at;
        }
    }
    let Some((_, blame)) = blame else {
        let remedy = "leave --stream away, or name another --time-axis";
        return unsupported(format!("model '{}'", graph.name), cost, remedy);
    };
    unsupported(format!("node '{}'", blame.node), format!("{}; {cost}", blame.reason), blame.remedy)
}
