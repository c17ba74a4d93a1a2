//! Pooling and means, and the window arithmetic they share with convolutions.

use super::proto::Op;
use super::value::{Kind, Move, Value, View};
use super::{Importer, MAX_ELEMENTS, Res};
use crate::graph::Window;

/// Largest pooling window: its reciprocals become constants, one per number of valid taps.
const MAX_POOL_TAPS: usize = 1 << 16;

/// A window and the spatial extents it gives.
pub(super) struct Geometry {
    pub window: Window,
    /// One or two extents, as the source has.
    pub out: Vec<usize>,
    /// A window reads padding on some side, or beyond it.
    pub padded: bool,
    /// A window reads beyond the padded input (`ceil_mode`).
    pub overruns: bool,
}

/// Returns the window over one or two spatial axes: `kernel_shape`, `strides`, `dilations`, `pads`,
/// `auto_pad`, and for pools `ceil_mode`.
pub(super) fn spatial_window(op: &Op, spatial: &[usize], kernel: &[usize], pool: bool) -> Res<Geometry> {
    let rank = spatial.len();
    let strides = op.positive("strides", rank, 1)?;
    let dilations = op.positive("dilations", rank, 1)?;
    let auto_pad = op.string("auto_pad", "NOTSET")?;
    let pads: Vec<usize> = match op.ints("pads")? {
        Some(pads) if auto_pad == "NOTSET" => {
            let pads: Option<Vec<usize>> = pads.iter().map(|&p| usize::try_from(p).ok()).collect();
            let pads = pads.ok_or_else(|| op.unsupported("it has negative pads", "slice the input instead"))?;
            if pads.len() != 2 * rank || pads.iter().any(|&p| p > MAX_ELEMENTS) {
                return Err(op.malformed(format!("{} pads for {rank} spatial axes", pads.len())));
            }
            pads
        }
        _ => vec![0; 2 * rank],
    };
    let ceil = pool && op.int("ceil_mode", 0)? != 0;
    let mut geometry = Geometry {
        window: Window { kernel: [1; 2], stride: [1; 2], dilation: [1; 2], pad: [0; 2] },
        out: Vec::with_capacity(rank),
        padded: false,
        overruns: false,
    };
    let (befores, afters) = pads.split_at(rank);
    let axes = spatial.iter().zip(kernel).zip(strides.iter().zip(&dilations)).zip(befores.iter().zip(afters));
    for (axis, (((&extent, &kernel), (&stride, &dilation)), (&before, &after))) in axes.enumerate() {
        let span = (kernel - usize::from(kernel > 0))
            .checked_mul(dilation)
            .and_then(|span| span.checked_add(1))
            .filter(|&span| kernel > 0 && span <= MAX_ELEMENTS)
            .ok_or_else(|| op.inconsistent(format!("a kernel of {kernel} taps, {dilation} apart")))?;
        let (before, after) = match auto_pad {
            "NOTSET" => (before, after),
            "VALID" => (0, 0),
            "SAME_UPPER" | "SAME_LOWER" => {
                let out = extent.div_ceil(stride);
                let total = (out.saturating_sub(1) * stride + span).saturating_sub(extent);
                let small = total / 2;
                if auto_pad == "SAME_UPPER" { (small, total - small) } else { (total - small, small) }
            }
            other => return Err(op.malformed(format!("auto_pad = {other}"))),
        };
        let padded = extent + before + after;
        let Some(room) = padded.checked_sub(span) else {
            return Err(op.inconsistent(format!("a window of {span} over {padded} padded elements")));
        };
        let mut out = if ceil { room.div_ceil(stride) } else { room / stride } + 1;
        // As ONNX Runtime: the last window of a pool starts in the input or the padding before it.
        if ceil && (out - 1) * stride >= extent + before {
            out -= 1;
        }
        let last = (out.saturating_sub(1)) * stride;
        if pool && (before >= span || last >= extent + before) {
            return Err(op.unsupported("a pooling window lies in the padding alone", "use smaller pads"));
        }
        geometry.padded |= before > 0 || last + span > extent + before;
        geometry.overruns |= last + span > padded;
        geometry.out.push(out);
        let Window { kernel: k, stride: s, dilation: d, pad: p } = &mut geometry.window;
        for (slot, value) in [(k, kernel), (s, stride), (d, dilation), (p, before)] {
            if let Some(slot) = slot.get_mut(axis) {
                *slot = value;
            }
        }
    }
    Ok(geometry)
}

impl Importer {
    /// Returns the window of a pooling node and the shape it gives.
    fn pool_window(&self, op: &Op, shape: &[usize]) -> Res<(Geometry, Vec<usize>)> {
        let (&[batch, channels, ref spatial @ ..], 1..=2) = (shape, shape.len().saturating_sub(2)) else {
            return Err(
                op.unsupported(format!("it pools over an input of {} axes", shape.len()), "pool over one or two axes")
            );
        };
        let kernel = op.positive("kernel_shape", spatial.len(), 0)?;
        if kernel.iter().product::<usize>() > MAX_POOL_TAPS {
            return Err(op.unsupported(
                format!("a window of {kernel:?} has more than {MAX_POOL_TAPS} taps"),
                "use GlobalAveragePool or ReduceMean",
            ));
        }
        let geometry = spatial_window(op, spatial, &kernel, true)?;
        if geometry.window.dilation != [1, 1] {
            return Err(op.unsupported("it pools with dilation", "pool without dilation"));
        }
        let shape = [batch, channels].into_iter().chain(geometry.out.iter().copied()).collect();
        Ok((geometry, shape))
    }

    pub(super) fn max_pool(&mut self, op: &Op) -> Res<Value> {
        if op.optional_output(1).is_some() {
            return Err(op.unsupported("it gives the indices of its maxima", "use its first output alone"));
        }
        let input = self.input(op, 0)?;
        let (geometry, shape) = self.pool_window(op, input.shape())?;
        self.moved(op, &input, Move::MaxPool { window: geometry.window, shape: shape.clone() }, shape)
    }

    pub(super) fn global_max_pool(&mut self, op: &Op) -> Res<Value> {
        let input = self.input(op, 0)?;
        let (kernel, shape) = match *input.shape() {
            [n, c, h, w] => ([h, w], vec![n, c, 1, 1]),
            [n, c, t] => ([t, 1], vec![n, c, 1]),
            _ => return Err(op.unsupported("it pools over more than two axes", "pool over one or two axes")),
        };
        let window = Window { kernel, stride: [1; 2], dilation: [1; 2], pad: [0; 2] };
        self.moved(op, &input, Move::MaxPool { window, shape: shape.clone() }, shape)
    }

    pub(super) fn average_pool(&mut self, op: &Op) -> Res<Value> {
        let (input, _) = self.activation(op, 0)?;
        let (geometry, shape) = self.pool_window(op, &input.shape)?;
        let count_include_pad = op.int("count_include_pad", 0)? != 0 && geometry.padded;
        if count_include_pad && geometry.overruns {
            return Err(op.unsupported(
                "ceil_mode with count_include_pad counts taps beyond the padding in some runtimes and not in others",
                "use one of the two",
            ));
        }
        self.pending(op, Kind::AveragePool { input, window: geometry.window, count_include_pad }, shape)
    }

    pub(super) fn global_average_pool(&mut self, op: &Op) -> Res<Value> {
        let (input, _) = self.activation(op, 0)?;
        let axes: Vec<usize> = (2..input.shape.len()).collect();
        self.mean(op, input, axes, true)
    }

    pub(super) fn reduce_mean(&mut self, op: &Op) -> Res<Value> {
        let (input, _) = self.activation(op, 0)?;
        let rank = input.shape.len();
        let axes = match self.axes(op, 1, 18)? {
            Some(axes) if !axes.is_empty() => super::moves::normalized(op, &axes, rank)?,
            _ if op.int("noop_with_empty_axes", 0)? != 0 => Vec::new(),
            _ => (0..rank).collect(),
        };
        let keep = op.int("keepdims", 1)? != 0;
        self.mean(op, input, axes, keep)
    }

    fn mean(&mut self, op: &Op, input: View, axes: Vec<usize>, keep: bool) -> Res<Value> {
        if axes.is_empty() {
            return self.input(op, 0);
        }
        let shape = input.shape.iter().enumerate().filter_map(|(i, &extent)| match (axes.contains(&i), keep) {
            (false, _) => Some(extent),
            (true, true) => Some(1),
            (true, false) => None,
        });
        let shape = shape.collect();
        self.pending(op, Kind::Mean { input, axes, keep, divide: true }, shape)
    }
}
