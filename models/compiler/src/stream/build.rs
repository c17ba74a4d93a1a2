//! The graph of one hop: every run of rows that is computed becomes a node, every stretch of rows that is kept a state.

use std::collections::HashMap;
use std::ops::Range;

use tanbo_format::emit::StateStart;
use tanbo_quant::Rounding;

use super::rows::Rows;
use super::time::{Reach, Time, Treatment};
use crate::graph::{Graph, Node, NodeOp, State, TensorId};

/// A state, and the rows of the windowed graph's tensor that it holds before a hop.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// The windowed graph's tensor.
    pub of: TensorId,
    /// Rows of the window before, the first ones of the window to come.
    pub rows: Range<usize>,
    /// Number in [`Graph::states`].
    pub state: usize,
}

/// A stretch of rows of a tensor of the windowed graph.
#[derive(Clone, Debug)]
struct Piece {
    rows: Range<usize>,
    tensor: TensorId,
}

/// Builds the graph of a hop.
pub(super) struct Builder<'g> {
    windowed: &'g Graph,
    times: &'g [Option<Time>],
    plan: &'g [Rows],
    hop: usize,
    graph: Graph,
    pieces: HashMap<TensorId, Vec<Piece>>,
    kept: Vec<Kept>,
}

impl<'g> Builder<'g> {
    /// Returns the graph of a hop, and what its states hold; `None` if the windowed graph contradicts itself.
    pub fn build(
        windowed: &'g Graph,
        treatments: &[Treatment],
        times: &'g [Option<Time>],
        plan: &'g [Rows],
        hop: usize,
    ) -> Option<(Graph, Vec<Kept>)> {
        let graph = Graph { nodes: Vec::new(), ..windowed.clone() };
        let mut builder = Self { windowed, times, plan, hop, graph, pieces: HashMap::new(), kept: Vec::new() };
        for port in &windowed.inputs {
            let time = builder.time(port.tensor)?;
            let shape = &mut builder.graph.tensors.get_mut(port.tensor)?.shape;
            *shape.get_mut(time.axis)? = hop * time.inner;
            builder.insert(port.tensor, time.rows - hop..time.rows, port.tensor);
            builder.keep(port.tensor)?;
        }
        for (node, treatment) in windowed.nodes.iter().zip(treatments) {
            match treatment {
                Treatment::Timeless => builder.graph.nodes.push(node.clone()),
                Treatment::Window(_) => {
                    let inputs = node.inputs.iter().map(|&x| builder.whole(x)).collect::<Option<_>>()?;
                    builder.graph.nodes.push(Node { inputs, ..node.clone() });
                }
                Treatment::Rows(reach, time) => {
                    for run in &plan.get(node.output)?.computed {
                        builder.run(node, reach, time, run.clone())?;
                    }
                    builder.keep(node.output)?;
                }
            }
        }
        for number in 0..builder.graph.outputs.len() {
            let whole = builder.whole(windowed.outputs.get(number)?.tensor)?;
            builder.graph.outputs.get_mut(number)?.tensor = whole;
        }
        Some((builder.graph, builder.kept))
    }

    fn time(&self, tensor: TensorId) -> Option<Time> {
        self.times.get(tensor).copied().flatten()
    }

    fn insert(&mut self, of: TensorId, rows: Range<usize>, tensor: TensorId) {
        self.pieces.entry(of).or_default().push(Piece { rows, tensor });
    }

    /// Adds a tensor for rows `rows` of tensor `of`.
    fn tensor(&mut self, of: TensorId, rows: &Range<usize>) -> Option<TensorId> {
        let time = self.time(of)?;
        let mut tensor = self.windowed.tensors.get(of)?.clone();
        let given = self.windowed.inputs.iter().any(|port| port.tensor == of);
        if *rows == (0..time.rows) && !given {
            return Some(of);
        }
        tensor.name = format!("{}[{}..{}]", tensor.name, rows.start, rows.end);
        *tensor.shape.get_mut(time.axis)? = rows.len() * time.inner;
        self.graph.tensors.push(tensor);
        Some(self.graph.tensors.len() - 1)
    }

    /// Adds a node that moves rows of `of`, and returns its output.
    fn moving(&mut self, of: TensorId, rows: Range<usize>, op: NodeOp, inputs: Vec<TensorId>) -> Option<TensorId> {
        let output = self.tensor(of, &rows)?;
        self.push_moving(of, op, inputs, output)?;
        self.insert(of, rows, output);
        Some(output)
    }

    fn push_moving(&mut self, of: TensorId, op: NodeOp, inputs: Vec<TensorId>, output: TensorId) -> Option<()> {
        let name = format!("rows of '{}'", self.windowed.tensors.get(of)?.name);
        self.graph.nodes.push(Node { name, op, inputs, states: Vec::new(), output, rounding: Rounding::Single });
        Some(())
    }

    /// Returns a slice of rows of a tensor of the shape of `of`.
    fn slice(&self, of: TensorId, from: usize) -> Option<NodeOp> {
        let (time, rank) = (self.time(of)?, self.windowed.tensors.get(of)?.shape.len());
        let mut begin = vec![0; rank];
        *begin.get_mut(time.axis)? = from * time.inner;
        Some(NodeOp::Slice { begin, stride: vec![1; rank] })
    }

    /// Computes rows `run` of a node's output.
    fn run(&mut self, node: &Node, reach: &Reach, time: &Time, run: Range<usize>) -> Option<()> {
        let output = self.tensor(node.output, &run)?;
        let rows_of = |x: TensorId| self.time(x).map(|time| time.rows);
        let wanted =
            node.inputs.iter().find_map(|&x| rows_of(x)).map(|rows| (reach.inputs(run.start, run.end, rows), rows));
        let (Some((wanted, begin)), rows) = wanted? else {
            // A border alone.
            let NodeOp::Pad { value, .. } = node.op else { return None };
            let tensor = self.graph.tensors.get_mut(output)?;
            let element = value.to_le_bytes();
            tensor.data = Some(element.get(..tensor.ty.bytes())?.repeat(tensor.elements()));
            self.insert(node.output, run, output);
            return Some(());
        };
        // Surplus rows do not matter to a window that ends above them; where it ends in padding there are none.
        let slides = matches!(
            node.op,
            NodeOp::Conv2d { .. }
                | NodeOp::DepthwiseConv2d { .. }
                | NodeOp::AveragePool2d { .. }
                | NodeOp::MaxPool2d { .. }
        );
        let picks = matches!(node.op, NodeOp::Slice { .. });
        let mut from = wanted.start;
        let mut inputs = Vec::new();
        for &x in &node.inputs {
            inputs.push(match self.time(x) {
                Some(_) => {
                    let piece = self.piece(x, &wanted, picks, slides || picks)?;
                    from = piece.rows.start;
                    piece.tensor
                }
                None => x,
            });
        }
        debug_assert!(wanted.end <= rows);
        let mut op = node.op.clone();
        let before = usize::try_from(begin);
        match &mut op {
            NodeOp::Conv2d { window, .. }
            | NodeOp::DepthwiseConv2d { window, .. }
            | NodeOp::AveragePool2d { window, .. }
            | NodeOp::MaxPool2d { window, .. } => *window.pad.get_mut(time.axis.checked_sub(1)?)? = before.ok()?,
            NodeOp::Pad { before: all, .. } => *all.get_mut(time.axis)? = before.ok()?,
            NodeOp::Slice { begin: all, .. } => *all.get_mut(time.axis)? = (wanted.start - from) * time.inner,
            _ => {}
        }
        self.graph.nodes.push(Node { op, inputs, output, ..node.clone() });
        self.insert(node.output, run, output);
        Some(())
    }

    /// Adds the state of a tensor, and what moves it on.
    fn keep(&mut self, of: TensorId) -> Option<()> {
        let Rows { kept, .. } = self.plan.get(of)?.clone();
        if kept.is_empty() {
            return Some(());
        }
        let time = self.time(of)?;
        let shift = self.hop / time.stride;
        let fresh = self.pieces.get(&of)?.iter().find(|piece| piece.rows.start == kept.end)?.clone();
        let state = self.tensor(of, &kept)?;
        let record = self.graph.tensors.get_mut(state)?;
        record.name = format!("kept of {}", self.windowed.tensors.get(of)?.name);
        self.kept.push(Kept { of, rows: kept.start + shift..kept.end + shift, state: self.graph.states.len() });
        self.graph.states.push(State { tensor: state, start: StateStart::Fill(0) });
        let join = NodeOp::Concat { axis: time.axis };
        let all = self.moving(of, kept.start..fresh.rows.end, join, vec![state, fresh.tensor])?;
        // What is kept for the next hop ends where this hop's rows end; few of them may be older than these.
        let next = kept.start + shift..kept.end + shift;
        let (from, source) =
            if next.start >= fresh.rows.start { (fresh.rows.start, fresh.tensor) } else { (kept.start, all) };
        let op = self.slice(of, next.start - from)?;
        self.push_moving(of, op, vec![source], state)
    }

    /// Returns all rows of a tensor, or a tensor that has no time as it is.
    fn whole(&mut self, x: TensorId) -> Option<TensorId> {
        match self.time(x) {
            Some(time) => self.piece(x, &(0..time.rows), false, false).map(|piece| piece.tensor),
            None => Some(x),
        }
    }

    /// Returns a tensor that holds rows `wanted` of `x`, with more before them or behind them if that does not matter.
    fn piece(&mut self, x: TensorId, wanted: &Range<usize>, before: bool, behind: bool) -> Option<Piece> {
        let pieces = self.pieces.get(&x)?;
        let fits = |piece: &&Piece| {
            let Range { start, end } = piece.rows;
            let starts = start == wanted.start || (before && start < wanted.start);
            starts && (end == wanted.end || (behind && end > wanted.end))
        };
        if let Some(piece) = pieces.iter().filter(fits).min_by_key(|piece| piece.rows.len()) {
            return Some(piece.clone());
        }
        let mut parts = Vec::new();
        let mut at = wanted.start;
        while at < wanted.end {
            let pieces = self.pieces.get(&x)?;
            let holds = pieces.iter().filter(|piece| piece.rows.contains(&at));
            let piece = holds.max_by_key(|piece| (piece.rows.end.min(wanted.end), piece.rows.start))?.clone();
            let end = piece.rows.end.min(wanted.end);
            parts.push(if piece.rows == (at..end) {
                piece.tensor
            } else {
                let op = self.slice(x, at - piece.rows.start)?;
                self.moving(x, at..end, op, vec![piece.tensor])?
            });
            at = end;
        }
        let tensor = match parts.as_slice() {
            &[only] => only,
            _ => {
                let axis = self.time(x)?.axis;
                self.moving(x, wanted.clone(), NodeOp::Concat { axis }, parts)?
            }
        };
        Some(Piece { rows: wanted.clone(), tensor })
    }
}
