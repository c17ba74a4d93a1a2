//! Passes from graph to graph, between import and lowering.
//!
//! Every pass is exact: what remains of a tensor holds the same bits as before, for every input. Each has a name, can be
//! switched off, and reports what it saved. A tensor keeps its number; it may lose channels (positions along its last
//! axis), which [`Report::kept`] tells.

mod borders;
mod channels;
mod duplicates;
mod evaluate;
mod fold;
mod fuse;
mod interval;
mod noop;
mod pointwise;
mod rewrite;
mod slots;
mod taps;
mod transpose;

use std::collections::BTreeSet;
use std::fmt;

use crate::emit::{live_nodes, node_macs};
use crate::graph::{Graph, NodeOp, TensorId, Weights};

pub use evaluate::evaluate;
pub use interval::{Intervals, Span};

/// Rounds after which the passes stop, whatever they still find.
const MOST_ROUNDS: usize = 16;

/// One pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pass {
    /// Nodes of constants become constants.
    Constants,
    /// Nodes that change no value become views, or go; neighbouring transposes become one.
    NoOps,
    /// A transpose before a fully connected node moves into its weights.
    Transposes,
    /// A clamp after a node becomes the node's own bounds.
    Clamps,
    /// Functions of one value that follow one another become one table.
    Tables,
    /// A border becomes the padding of the window that reads it.
    Pads,
    /// Nodes and channels computed twice are computed once.
    Duplicates,
    /// Channels that are constant, or that nothing reads, go, and with them what computed them.
    Channels,
    /// Rows and columns of a kernel go that are zero, or meet nothing but padding.
    Taps,
    /// Steps run in the order that takes the least of the arena. Chosen last of all, when scratch is known.
    Order,
}

impl Pass {
    /// Every pass, in the order in which they run.
    pub const ALL: [Self; 10] = [
        Self::Constants,
        Self::NoOps,
        Self::Transposes,
        Self::Clamps,
        Self::Tables,
        Self::Pads,
        Self::Duplicates,
        Self::Channels,
        Self::Taps,
        Self::Order,
    ];

    /// Returns the name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Constants => "constants",
            Self::NoOps => "no-ops",
            Self::Transposes => "transposes",
            Self::Clamps => "clamps",
            Self::Tables => "tables",
            Self::Pads => "pads",
            Self::Duplicates => "duplicates",
            Self::Channels => "channels",
            Self::Taps => "taps",
            Self::Order => "order",
        }
    }

    /// Returns the pass called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|pass| pass.name() == name)
    }

    /// Runs the pass once; returns whether it changed anything.
    fn apply(self, graph: &mut Graph, kept: &mut Kept) -> bool {
        match self {
            Self::Constants => fold::constants(graph),
            Self::NoOps => noop::remove(graph),
            Self::Transposes => transpose::into_weights(graph),
            Self::Clamps => fuse::clamps(graph),
            Self::Tables => fuse::tables(graph),
            Self::Pads => fuse::pads(graph),
            Self::Duplicates => duplicates::merge(graph, kept),
            Self::Channels => channels::eliminate(graph, kept),
            Self::Taps => taps::crop(graph),
            // Leaves the graph as it is: `emit` orders the steps.
            Self::Order => false,
        }
    }
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which passes run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// Passes that do not run.
    pub without: BTreeSet<Pass>,
}

impl Switches {
    /// No pass runs.
    pub fn none() -> Self {
        Self { without: Pass::ALL.into() }
    }

    /// Only `pass` runs.
    pub fn only(pass: Pass) -> Self {
        let mut switches = Self::none();
        switches.without.remove(&pass);
        switches
    }
}

/// What a graph costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Multiply-accumulates, padding taps counted.
    pub macs: u64,
    /// Weights and biases of convolutions and fully connected nodes, at a byte per weight.
    pub weights_bytes: u64,
    /// Nodes that become steps.
    pub steps: u64,
    /// Output channels of convolutions and fully connected nodes.
    pub channels: u64,
    /// Of what a pass saved: bytes of the arena. A graph has none yet.
    pub arena_bytes: u64,
}

impl Size {
    /// Returns what the nodes that an output depends on cost.
    pub fn of(graph: &Graph) -> Self {
        let mut size = Self::default();
        for node in live_nodes(graph).into_iter().filter(|node| !matches!(node.op, NodeOp::Reshape)) {
            size.steps += 1;
            size.macs += node_macs(graph, node);
            if let Some(weights) = weights(&node.op) {
                size.weights_bytes += weights.data.len() as u64 + 4 * weights.bias.len() as u64;
                size.channels += weights.bias.len() as u64;
            }
        }
        size
    }

    /// Returns how much less `after` costs.
    fn less(self, after: Self) -> Self {
        Self {
            macs: self.macs.saturating_sub(after.macs),
            weights_bytes: self.weights_bytes.saturating_sub(after.weights_bytes),
            steps: self.steps.saturating_sub(after.steps),
            channels: self.channels.saturating_sub(after.channels),
            arena_bytes: 0,
        }
    }

    fn add(&mut self, more: Self) {
        self.macs += more.macs;
        self.weights_bytes += more.weights_bytes;
        self.steps += more.steps;
        self.channels += more.channels;
    }
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

/// Which channels are left of the tensors that lost some, as numbers of the first graph's.
#[derive(Clone, Debug, Default)]
struct Kept(Vec<Option<Vec<usize>>>);

impl Kept {
    /// Notes that of `tensor` the positions `kept` of those before are left.
    fn restrict(&mut self, tensor: TensorId, kept: &[usize]) {
        if self.0.len() <= tensor {
            self.0.resize(tensor + 1, None);
        }
        if let Some(slot) = self.0.get_mut(tensor) {
            *slot = Some(match slot.take() {
                Some(before) => kept.iter().filter_map(|&channel| before.get(channel).copied()).collect(),
                None => kept.to_vec(),
            });
        }
    }
}

/// What the passes did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The graph before.
    pub before: Size,
    /// The graph after.
    pub after: Size,
    /// What each pass saved, for those that ran.
    pub saved: Vec<(Pass, Size)>,
    kept: Kept,
}

impl Report {
    /// Returns which channels of `tensor` are left, or `None` if all are.
    pub fn kept(&self, tensor: TensorId) -> Option<&[usize]> {
        self.kept.0.get(tensor)?.as_deref()
    }

    /// Notes what another order of the steps saves.
    pub(crate) fn note_order(&mut self, arena_bytes: u64) {
        for (_, size) in self.saved.iter_mut().filter(|(pass, _)| *pass == Pass::Order) {
            size.arena_bytes = arena_bytes;
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, name: &str, size: &Size| {
            let Size { macs, weights_bytes, steps, channels, arena_bytes } = size;
            write!(
                f,
                "{name:<12}{macs:>12} MACs {weights_bytes:>9} weight bytes {steps:>5} steps {channels:>6} channels"
            )?;
            if *arena_bytes > 0 { writeln!(f, " {arena_bytes:>9} arena bytes") } else { writeln!(f) }
        };
        line(f, "before", &self.before)?;
        for (pass, size) in self.saved.iter().filter(|(_, size)| *size != Size::default()) {
            line(f, &format!("- {pass}"), size)?;
        }
        line(f, "after", &self.after)
    }
}

/// Runs the passes until none finds anything more.
pub fn run(graph: &mut Graph, switches: &Switches) -> Report {
    let mut report = Report { before: Size::of(graph), ..Report::default() };
    let on: Vec<Pass> = Pass::ALL.into_iter().filter(|pass| !switches.without.contains(pass)).collect();
    report.saved = on.iter().map(|&pass| (pass, Size::default())).collect();
    let mut size = report.before;
    prune(graph);
    for _ in 0..MOST_ROUNDS {
        let mut changed = false;
        for (pass, saved) in &mut report.saved {
            if pass.apply(graph, &mut report.kept) {
                changed = true;
                prune(graph);
                let after = Size::of(graph);
                saved.add(size.less(after));
                size = after;
            }
        }
        if !changed {
            break;
        }
    }
    report.after = size;
    report
}

/// Drops the nodes that no output depends on.
fn prune(graph: &mut Graph) {
    let live: BTreeSet<*const crate::graph::Node> = live_nodes(graph).into_iter().map(std::ptr::from_ref).collect();
    let keep: Vec<bool> = graph.nodes.iter().map(|node| live.contains(&std::ptr::from_ref(node))).collect();
    let mut keep = keep.into_iter();
    graph.nodes.retain(|_| keep.next() == Some(true));
}
