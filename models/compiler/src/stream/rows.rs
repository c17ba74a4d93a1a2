//! Which rows of each tensor a hop computes, and which it finds in a state.

use std::ops::Range;

use super::time::{Time, Treatment};
use crate::graph::{Graph, TensorId};

/// Rows of one tensor, in the window that a hop completes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows {
    /// Rows that the hop computes, in runs.
    pub computed: Vec<Range<usize>>,
    /// Rows that the hops before have computed; the first run that begins where these end follows them.
    pub kept: Range<usize>,
}

/// Returns the rows of each tensor that has time and is needed.
pub(super) fn plan(graph: &Graph, treatments: &[Treatment], times: &[Option<Time>], hop: usize) -> Vec<Rows> {
    let mut needed: Vec<Vec<bool>> = times.iter().map(|time| vec![false; time.map_or(0, |time| time.rows)]).collect();
    let need = |needed: &mut Vec<Vec<bool>>, tensor: TensorId, rows: Range<usize>| {
        if let Some(flags) = needed.get_mut(tensor).and_then(|flags| flags.get_mut(rows)) {
            flags.fill(true);
        }
    };
    let rows_of = |tensor: TensorId| times.get(tensor).copied().flatten().map_or(0, |time| time.rows);
    for port in &graph.outputs {
        need(&mut needed, port.tensor, 0..rows_of(port.tensor));
    }
    let mut plan = vec![Rows::default(); times.len()];
    for (node, treatment) in graph.nodes.iter().zip(treatments).rev() {
        match treatment {
            Treatment::Timeless => {}
            Treatment::Window(_) => node.inputs.iter().for_each(|&x| need(&mut needed, x, 0..rows_of(x))),
            Treatment::Rows(reach, time) => {
                let flags = needed.get(node.output).map(Vec::as_slice).unwrap_or_default();
                let rows = rows(flags, time, hop, false);
                for run in &rows.computed {
                    for &x in &node.inputs {
                        // A border alone needs no row.
                        if let Some((inputs, _)) = reach.inputs(run.start, run.end, rows_of(x)) {
                            need(&mut needed, x, inputs);
                        }
                    }
                }
                if let Some(slot) = plan.get_mut(node.output) {
                    *slot = rows;
                }
            }
        }
    }
    for port in &graph.inputs {
        if let (Some(Some(time)), Some(flags), Some(slot)) =
            (times.get(port.tensor), needed.get(port.tensor), plan.get_mut(port.tensor))
        {
            *slot = rows(flags, time, hop, true);
        }
    }
    plan
}

/// Returns which of the needed rows are computed and which are kept. The rows of an input are given: its last ones.
fn rows(needed: &[bool], time: &Time, hop: usize, given: bool) -> Rows {
    let shift = hop / time.stride;
    let moving = time.head..(time.rows - time.tail).max(time.head);
    let within = needed.get(moving.clone()).unwrap_or_default();
    let mut computed = needed.to_vec();
    let first = within.iter().position(|&needed| needed).map(|at| moving.start + at);
    let end = match within.iter().rposition(|&needed| needed) {
        _ if given => Some(moving.end),
        last => last.map(|at| moving.start + at + 1),
    };
    let mut kept = 0..0;
    if let Some(end) = end {
        let fresh = end.saturating_sub(shift).max(moving.start);
        if let Some(first) = first.filter(|&first| first < fresh) {
            kept = first..fresh;
            computed.get_mut(kept.clone()).unwrap_or_default().fill(false);
            computed.get_mut(fresh..end).unwrap_or_default().fill(true);
        }
        if given {
            computed.get_mut(fresh..end).unwrap_or_default().fill(true);
        }
    }
    let mut runs: Vec<Range<usize>> = Vec::new();
    for row in (0..computed.len()).filter(|&row| computed.get(row) == Some(&true)) {
        match runs.last_mut() {
            // What comes behind the kept rows is a run of its own.
            Some(run) if run.end == row && row != kept.end => run.end += 1,
            _ => runs.push(row..row + 1),
        }
    }
    Rows { computed: runs, kept }
}
