//! Rows and columns of kernels that contribute nothing.

use std::ops::Range;

use tanbo_format::ElementType;

use super::borders::classes;
use crate::graph::{Graph, NodeOp, TensorId, Weights, Window};

/// Crops kernels at their edges: taps that meet nothing but padding, and taps whose weights are all zero.
pub(super) fn crop(graph: &mut Graph) -> bool {
    let shape = |graph: &Graph, tensor: TensorId| {
        let tensor = graph.tensors.get(tensor).filter(|tensor| tensor.ty == ElementType::I8)?;
        <[usize; 4]>::try_from(tensor.shape.as_slice()).ok()
    };
    let mut changed = false;
    for at in 0..graph.nodes.len() {
        let Some(node) = graph.nodes.get(at) else { continue };
        let &[input] = node.inputs.as_slice() else { continue };
        let (Some(x), Some(y)) = (shape(graph, input), shape(graph, node.output)) else { continue };
        let Some(node) = graph.nodes.get_mut(at) else { continue };
        let (window, weights, tap_major) = match &mut node.op {
            NodeOp::Conv2d { window, weights, .. } => (window, weights, false),
            NodeOp::DepthwiseConv2d { window, weights, .. } => (window, weights, true),
            _ => continue,
        };
        changed |= crop_node(window, weights, tap_major, x, y).unwrap_or(false);
    }
    changed
}

/// Crops one node's kernel; `tap_major`: weights lie `[tap, output]`, otherwise `[output, tap, input]`.
fn crop_node(
    window: &mut Window,
    weights: &mut Weights,
    tap_major: bool,
    x: [usize; 4],
    y: [usize; 4],
) -> Option<bool> {
    let [height, width] = window.kernel;
    let outputs = weights.bias.len();
    let blocks = if tap_major { 1 } else { outputs };
    let block = weights.data.len().checked_div(blocks.checked_mul(height.checked_mul(width)?)?)?;
    if block == 0 || blocks * height * width * block != weights.data.len() {
        return None;
    }
    // Whether any weight of a row, or of a column, is not zero.
    let (mut rows, mut columns) = (vec![false; height], vec![false; width]);
    for (at, chunk) in weights.data.chunks_exact(block).enumerate() {
        let (row, column) = (at / width % height, at % width);
        if chunk.iter().any(|&w| w != 0) {
            *rows.get_mut(row)? = true;
            *columns.get_mut(column)? = true;
        }
    }
    let rows = used(window, 0, &rows, x[1], y[1])?;
    let columns = used(window, 1, &columns, x[2], y[2])?;
    if (rows.len(), columns.len()) == (height, width) {
        return Some(false);
    }
    let chunks = weights.data.chunks_exact(block).enumerate();
    let left = chunks.filter(|(at, _)| rows.contains(&(at / width % height)) && columns.contains(&(at % width)));
    weights.data = left.flat_map(|(_, chunk)| chunk.iter().copied()).collect();
    window.pad = [window.pad[0] - rows.start * window.dilation[0], window.pad[1] - columns.start * window.dilation[1]];
    window.kernel = [rows.len(), columns.len()];
    Some(true)
}

/// Returns the taps along an axis that are left: at least one, and no fewer at the front than padding makes up for.
fn used(window: &Window, axis: usize, nonzero: &[bool], inputs: usize, outputs: usize) -> Option<Range<usize>> {
    let met = classes(window, axis, inputs, outputs)?.into_iter().filter(|range| !range.is_empty());
    let met = met.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or(0..1);
    let useful = |tap: &usize| met.contains(tap) && nonzero.get(*tap) == Some(&true);
    let first = (0..nonzero.len()).find(useful).unwrap_or(0);
    let end = (0..nonzero.len()).rev().find(useful).map_or(first + 1, |last| last + 1);
    let made_up = window.pad.get(axis)?.checked_div(*window.dilation.get(axis)?)?;
    Some(first.min(made_up)..end)
}
