//! How a node's rows in time follow from those of what it reads.

use crate::graph::{Graph, Node, NodeOp, TensorId};

/// Where time lies in a tensor of one window, and which of its rows the next window holds too.
///
/// Row `r` of the window that comes `hop` input rows later equals row `r + hop / stride` of this one, if neither lies among
/// the first `head` or the last `tail` rows, which padding reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time {
    /// Axis of the tensor.
    pub axis: usize,
    /// Elements along the axis that are one row: more than one where time is flattened together with what follows it.
    pub inner: usize,
    /// Rows of a window.
    pub rows: usize,
    /// Input rows between two rows.
    pub stride: usize,
    /// First rows that differ from window to window; all of them where rows do not move by whole rows.
    pub head: usize,
    /// Last rows that differ.
    pub tail: usize,
}

/// Which rows of its inputs an output row needs: `span` rows from `row * stride - before` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    pub span: usize,
    pub stride: usize,
    /// Negative where the first rows are not looked at.
    pub before: isize,
}

impl Reach {
    const ROW: Self = Self { span: 1, stride: 1, before: 0 };

    /// Returns the input rows for output rows `first..end`, and how many rows before the first of them the window begins:
    /// rows of padding, or, if negative, of the input. `None` if a window meets nothing but padding.
    pub fn inputs(&self, first: usize, end: usize, rows: usize) -> Option<(std::ops::Range<usize>, isize)> {
        let begin = (first * self.stride) as isize - self.before;
        let stop = ((end - 1) * self.stride + self.span) as isize - self.before;
        let from = begin.clamp(0, rows as isize);
        let to = stop.clamp(0, rows as isize);
        (from < to).then(|| (from as usize..to as usize, from - begin))
    }
}

/// How a node treats time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// It reads nothing that has time.
    Timeless,
    /// Each output row is computed from a few rows.
    Rows(Reach, Time),
    /// It needs the whole window: why.
    Window(&'static str),
}

/// Returns the axis and the elements per row of time in a tensor of shape `to` that holds the elements of one of shape `from`
/// in the same order.
pub(super) fn viewed(from: &[usize], time: (usize, usize, usize), to: &[usize]) -> Option<(usize, usize)> {
    let (axis, inner, rows) = time;
    let product = |shape: &[usize]| shape.iter().product::<usize>();
    let before = product(from.get(..axis)?);
    let row = inner * product(from.get(axis + 1..)?);
    (0..to.len()).find_map(|axis| {
        let length = *to.get(axis)?;
        let inner = length / rows;
        let fits = length.is_multiple_of(rows) && product(to.get(..axis)?) == before;
        (fits && inner * product(to.get(axis + 1..)?) == row).then_some((axis, inner))
    })
}

/// Returns how `node` treats time, for windows `hop` input rows apart.
pub(super) fn treatment(graph: &Graph, node: &Node, times: &[Option<Time>], hop: usize) -> Treatment {
    let time = |tensor: TensorId| times.get(tensor).copied().flatten();
    let timed: Vec<(TensorId, Time)> = node.inputs.iter().filter_map(|&x| Some((x, time(x)?))).collect();
    let Some(&(x, first)) = timed.first() else { return Treatment::Timeless };
    match along(graph, node, &timed, x, first) {
        Err(reason) => Treatment::Window(reason),
        Ok((reach, axis, inner)) => match moved(graph, node, &timed, reach, axis, inner, hop) {
            Some(time) => Treatment::Rows(reach, time),
            None => Treatment::Window("a window of it meets nothing but padding"),
        },
    }
}

/// Returns what the rows of the output are, from those of the inputs.
fn moved(
    graph: &Graph,
    node: &Node,
    timed: &[(TensorId, Time)],
    reach: Reach,
    axis: usize,
    inner: usize,
    hop: usize,
) -> Option<Time> {
    let length = *graph.tensors.get(node.output)?.shape.get(axis)?;
    let rows = length / inner;
    let padded = matches!(node.op, NodeOp::Pad { .. });
    let mut time = Time { axis, inner, rows, stride: 1, head: 0, tail: 0 };
    for &(_, input) in timed {
        time.stride = time.stride.max(input.stride * reach.stride);
        // The first row whose window begins at or behind the input's first row that stays.
        let begin = input.head as isize + reach.before;
        let head = if begin <= 0 { 0 } else { (begin as usize).div_ceil(reach.stride) };
        // The rows whose window ends before the input's last rows.
        let end = (input.rows - input.tail) as isize + reach.before - reach.span as isize;
        let kept = if end < 0 { 0 } else { end as usize / reach.stride + 1 };
        time.head = time.head.max(head.min(rows));
        time.tail = time.tail.max(rows.saturating_sub(kept));
        // Every window must meet the input, but for a border, which has rows of its own.
        if !padded && (0..rows).any(|row| reach.inputs(row, row + 1, input.rows).is_none()) {
            return None;
        }
    }
    if !hop.is_multiple_of(time.stride) {
        time.head = rows;
    }
    Some(time)
}

/// Returns the reach of a node along time, and where time lies in its output; or why it needs the whole window.
fn along(
    graph: &Graph,
    node: &Node,
    timed: &[(TensorId, Time)],
    x: TensorId,
    time: Time,
) -> Result<(Reach, usize, usize), &'static str> {
    const SHAPE: &str = "its shapes do not fit";
    let shape = |tensor: TensorId| graph.tensors.get(tensor).map(|t| t.shape.as_slice()).ok_or(SHAPE);
    let (x, y) = (shape(x)?, shape(node.output)?);
    let Time { axis, inner, rows, .. } = time;
    let row = (Reach::ROW, axis, inner);
    // The window's axis, of images only.
    let window_axis = || match (x.len(), axis, inner) {
        (4, 1 | 2, 1) => Ok(axis - 1),
        (4, 3, _) => Err("its channels are time"),
        _ => Err("its windows do not move along time"),
    };
    let behind = inner * x.get(axis + 1..).ok_or(SHAPE)?.iter().product::<usize>();
    let last = axis + 1 == x.len();
    let alike = |other: &Time| (other.rows, other.inner, other.stride) == (rows, inner, time.stride);
    match &node.op {
        NodeOp::Conv2d { window, .. }
        | NodeOp::DepthwiseConv2d { window, .. }
        | NodeOp::AveragePool2d { window, .. }
        | NodeOp::MaxPool2d { window, .. } => {
            let along = window_axis()?;
            let at = |values: [usize; 2]| values.get(along).copied().ok_or(SHAPE);
            let span = (at(window.kernel)? - 1) * at(window.dilation)? + 1;
            Ok((Reach { span, stride: at(window.stride)?, before: at(window.pad)? as isize }, axis, 1))
        }
        NodeOp::Slice { begin, stride } => {
            let (&begin, &stride) = begin.get(axis).zip(stride.get(axis)).ok_or(SHAPE)?;
            match (begin, stride, y.get(axis)) {
                (0, 1, Some(&length)) if length == rows * inner => Ok(row),
                (_, 1.., _) if inner == 1 => {
                    Ok((Reach { span: 1, stride: stride as usize, before: -(begin as isize) }, axis, 1))
                }
                _ => Err("it takes rows of the window out of their order"),
            }
        }
        NodeOp::Pad { before, .. } => match before.get(axis) {
            Some(0) if y.get(axis) == Some(&(rows * inner)) => Ok(row),
            Some(&before) if inner == 1 => Ok((Reach { before: before as isize, ..Reach::ROW }, axis, 1)),
            _ => Err("its border lies across rows"),
        },
        NodeOp::Add { .. }
        | NodeOp::Sub { .. }
        | NodeOp::Mul { .. }
        | NodeOp::Div { .. }
        | NodeOp::Minimum
        | NodeOp::Maximum
        | NodeOp::SquaredDifference { .. } => {
            let at = y.len() - (x.len() - axis);
            for &operand in &node.inputs {
                let own = shape(operand)?;
                // Axes are counted from the last.
                let along = (own.len() + at).checked_sub(y.len());
                match timed.iter().find(|(tensor, _)| *tensor == operand) {
                    Some((_, other)) if (along, alike(other)) == (Some(other.axis), true) => {}
                    Some(_) => return Err("what it joins does not move alike in time"),
                    None if graph.tensors.get(operand).is_some_and(|tensor| tensor.data.is_none()) => {
                        return Err("one operand is computed from the whole window");
                    }
                    None if along.and_then(|along| own.get(along)).is_some_and(|&length| length != 1) => {
                        return Err("one operand is a constant that differs from row to row");
                    }
                    None => {}
                }
            }
            if y.get(at) == Some(&(rows * inner)) { Ok((Reach::ROW, at, inner)) } else { Err(SHAPE) }
        }
        NodeOp::Concat { axis: joined } => {
            if *joined == axis {
                Err("it joins rows in time")
            } else if timed.len() != node.inputs.len()
                || !timed.iter().all(|(_, other)| other.axis == axis && alike(other))
            {
                Err("what it joins does not move alike in time")
            } else {
                Ok(row)
            }
        }
        NodeOp::FullyConnected { weights, .. } => {
            let depth = weights.data.len() / weights.bias.len().max(1);
            let all = "each output depends on all rows of the window";
            if last || x.last() != Some(&depth) {
                return Err(all);
            }
            let outputs: Vec<usize> = x.iter().take(x.len() - 1).copied().chain([weights.bias.len()]).collect();
            let (axis, inner) = viewed(&outputs, (axis, inner, rows), y).ok_or(all)?;
            Ok((Reach::ROW, axis, inner))
        }
        NodeOp::Softmax { .. } | NodeOp::L2Norm { .. } if last => Err("it runs over time"),
        NodeOp::Softmax { .. } | NodeOp::L2Norm { .. } => Ok(row),
        NodeOp::LayerNorm { norm, .. } => {
            if behind.is_multiple_of(norm.gamma.len().max(1)) {
                Ok(row)
            } else {
                Err("it runs over time")
            }
        }
        NodeOp::Mean { axes, .. }
        | NodeOp::Sum { axes, .. }
        | NodeOp::ReduceMax { axes }
        | NodeOp::ReduceMin { axes } => {
            if axes.contains(&axis) {
                return Err("each output depends on all rows of the window");
            }
            let dropped = if y.len() == x.len() { 0 } else { axes.iter().filter(|&&other| other < axis).count() };
            Ok((Reach::ROW, axis - dropped, inner))
        }
        NodeOp::Gather { axis: picked, .. } if *picked == axis => Err("it picks rows of the window"),
        NodeOp::Transpose { perm } => match perm.iter().position(|&from| from == axis) {
            Some(to) => Ok((Reach::ROW, to, inner)),
            None => Err(SHAPE),
        },
        NodeOp::Reshape => {
            let (axis, inner) = viewed(x, (axis, inner, rows), y).ok_or("it mixes rows with what is not time")?;
            Ok((Reach::ROW, axis, inner))
        }
        NodeOp::Lut { .. }
        | NodeOp::LutI16 { .. }
        | NodeOp::SigmoidI16 { .. }
        | NodeOp::Requantize { .. }
        | NodeOp::Scale { .. }
        | NodeOp::Gather { .. }
        | NodeOp::Copy => Ok(row),
        NodeOp::Lstm { .. } | NodeOp::Gru { .. } => {
            Err("it begins each window from the same state, not from where the window before \
             left it")
        }
        NodeOp::TransposeConv2d { .. } | NodeOp::ResizeBilinear { .. } => Err("it makes rows between rows"),
        NodeOp::BatchMatmul { .. } => Err("it multiplies all rows of the window with one another"),
        NodeOp::Svdf(_) => Err("it keeps a state"),
    }
}
