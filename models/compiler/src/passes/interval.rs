//! The least and the greatest value of every int8 channel, over all inputs.
//!
//! Bounds of an accumulator follow from the weights and the bounds of the input's channels. Every requantization never
//! falls where its accumulator rises, so the bounds of the output are those of the accumulator, requantized with the very
//! multipliers that lowering uses. Where a tap may lie in padding, each combination of valid taps that occurs is looked at.

use std::ops::Range;

use tanbo_format::emit::ConstData;
use tanbo_format::{ElementType, attrs};
use tanbo_quant::{Multiplier, Rounding, requantize};

use super::borders::classes;
use crate::graph::{Bias, Clamp, Graph, Node, NodeOp, Tensor, TensorId, Weights, Window};
use crate::lower::{Context, Lowered, lower};

/// Most channels of all tensors together; a graph with more is not analysed.
const MOST_CHANNELS: usize = 1 << 22;
/// Most terms of sums over taps for one node; beyond, each tap is taken as if it were alone.
const MOST_TERMS: usize = 1 << 26;
/// Most taps of an average pool that is analysed.
const MOST_POOL_TAPS: usize = 1 << 12;

/// The least and the greatest value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Least value.
    pub low: i32,
    /// Greatest value.
    pub high: i32,
}

impl Span {
    /// Every value of int8.
    pub const INT8: Self = Self { low: -128, high: 127 };

    fn point(value: i32) -> Self {
        Self { low: value, high: value }
    }

    fn hull(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    fn clamped(self, low: i32, high: i32) -> Self {
        Self { low: self.low.max(low).min(high), high: self.high.max(low).min(high) }
    }

    /// Returns the value, if there is only one.
    pub fn constant(self) -> Option<i32> {
        (self.low == self.high).then_some(self.low)
    }
}

/// Sum of products, wide enough for any number of terms.
#[derive(Clone, Copy, Default)]
struct Sum {
    low: i64,
    high: i64,
}

impl Sum {
    fn add(self, other: Self) -> Self {
        Self { low: self.low + other.low, high: self.high + other.high }
    }

    /// As if the terms might also be missing.
    fn or_nothing(self) -> Self {
        Self { low: self.low.min(0), high: self.high.max(0) }
    }

    fn hull(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }
}

/// Bounds of every channel of every tensor.
#[derive(Clone, Debug, Default)]
pub struct Intervals {
    /// By tensor; none where nothing better than the type's range is known.
    spans: Vec<Option<Vec<Span>>>,
}

/// Returns the length of a tensor's last axis; 1 without axes.
pub(super) fn channels(tensor: &Tensor) -> usize {
    tensor.shape.last().copied().unwrap_or(1)
}

impl Intervals {
    /// Analyses a graph.
    pub fn of(graph: &Graph) -> Self {
        let total = graph.tensors.iter().fold(0usize, |sum, tensor| sum.saturating_add(channels(tensor)));
        if total > MOST_CHANNELS {
            return Self::default();
        }
        let mut intervals = Self { spans: graph.tensors.iter().map(constants).collect() };
        let mut written = vec![false; graph.tensors.len()];
        let mut of_state = vec![false; graph.tensors.len()];
        for state in &graph.states {
            set(&mut of_state, state.tensor, true);
        }
        for node in &graph.nodes {
            let view = matches!(node.op, NodeOp::Reshape);
            if view && node.inputs.iter().any(|&input| of_state.get(input) == Some(&true)) {
                set(&mut of_state, node.output, true);
            }
            let again = written.get(node.output) == Some(&true);
            set(&mut written, node.output, true);
            // A state holds what any run before may have left.
            let known =
                if again || of_state.get(node.output) == Some(&true) { None } else { intervals.output(graph, node) };
            set(&mut intervals.spans, node.output, known);
        }
        intervals
    }

    /// Returns the bounds of a channel of an int8 tensor.
    pub fn span(&self, tensor: TensorId, channel: usize) -> Span {
        let known = self.spans.get(tensor).and_then(Option::as_ref).and_then(|spans| spans.get(channel));
        known.copied().unwrap_or(Span::INT8)
    }

    /// Returns the value of a channel that has only one.
    pub fn constant(&self, tensor: TensorId, channel: usize) -> Option<i32> {
        self.span(tensor, channel).constant()
    }

    /// Returns the int8 values that a tensor may hold: element `q + 128` for the value `q`.
    pub(super) fn values(&self, tensor: TensorId) -> [bool; 256] {
        let mut values = [false; 256];
        let mut mark = |span: Span| {
            for (q, slot) in (-128..).zip(&mut values) {
                *slot |= span.low <= q && q <= span.high;
            }
        };
        match self.spans.get(tensor).and_then(Option::as_ref) {
            Some(spans) => spans.iter().for_each(|&span| mark(span)),
            None => mark(Span::INT8),
        }
        values
    }

    fn spans_of(&self, graph: &Graph, tensor: TensorId) -> Option<Vec<Span>> {
        let record = graph.tensors.get(tensor).filter(|record| record.ty == ElementType::I8)?;
        let known = self.spans.get(tensor).and_then(Option::as_ref);
        Some(known.cloned().unwrap_or_else(|| vec![Span::INT8; channels(record)]))
    }

    /// Returns the bounds of the channels that a node writes, or `None` where nothing better than the type's is known.
    fn output(&self, graph: &Graph, node: &Node) -> Option<Vec<Span>> {
        let y = graph.tensors.get(node.output).filter(|y| y.ty == ElementType::I8)?;
        let &first = node.inputs.first()?;
        let x = graph.tensors.get(first)?;
        let from = self.spans_of(graph, first)?;
        let outputs = channels(y);
        let same = from.len() == outputs;
        let all = || from.iter().copied().reduce(Span::hull);
        let each = |f: &dyn Fn(Span) -> Span| same.then(|| from.iter().map(|&span| f(span)).collect::<Vec<_>>());
        let context = Context { graph, node };
        match &node.op {
            NodeOp::Conv2d { window, groups, weights, clamp } => {
                let layout = Layout::grouped(weights, window, *groups, from.len(), outputs)?;
                let taps = Taps::of(window, &x.shape, &y.shape);
                weighted(&context, x, y, &from, weights, *clamp, &layout, &taps)
            }
            NodeOp::DepthwiseConv2d { window, weights, clamp } => {
                let layout = Layout::depthwise(weights, window, from.len(), outputs)?;
                let taps = Taps::of(window, &x.shape, &y.shape);
                weighted(&context, x, y, &from, weights, *clamp, &layout, &taps)
            }
            NodeOp::TransposeConv2d { window, groups, weights, clamp } => {
                let layout = Layout::grouped(weights, window, *groups, from.len(), outputs)?;
                weighted(&context, x, y, &from, weights, *clamp, &layout, &Taps::alone(window))
            }
            NodeOp::FullyConnected { weights, clamp } => {
                let depth = weights.data.len().checked_div(weights.bias.len())?;
                if outputs != weights.bias.len() || !depth.is_multiple_of(from.len().max(1)) {
                    return None;
                }
                let layout = Layout { taps: 1, inputs: depth, of_output: Inputs::All, channel_major: true };
                let only = || std::iter::once(0..1).collect();
                let taps = Taps { rows: only(), columns: only(), height: 1, width: 1, known: true };
                weighted(&context, x, y, &from, weights, *clamp, &layout, &taps)
            }
            NodeOp::AveragePool2d { window, clamp, count_include_pad } => {
                self.average(&context, window, *clamp, *count_include_pad, &from, outputs)
            }
            NodeOp::MaxPool2d { clamp, .. } => each(&|span| span.clamped(clamp.low, clamp.high)),
            NodeOp::Mean { axes, .. } | NodeOp::Sum { axes, .. } => {
                let last = x.shape.len().checked_sub(1)?;
                let count: usize = axes.iter().filter_map(|&axis| x.shape.get(axis)).product();
                let lowered = lower(graph, node).ok()??;
                let words = attrs::Mean::from_words(&lowered.attrs)?.requantize;
                let scale = Scale::of(node, &words)?;
                let spans = if axes.contains(&last) { vec![all()?; outputs] } else { from.clone() };
                if spans.len() != outputs {
                    return None;
                }
                let zero = i64::from(words.range.input_zero_point);
                let sum = |value: i32| (i64::from(value) - zero) * count as i64;
                let average = |span: Span| scale.average(Sum { low: sum(span.low), high: sum(span.high) });
                Some(spans.into_iter().map(average).collect())
            }
            NodeOp::Requantize { .. } | NodeOp::Scale { .. } => {
                let lowered = lower(graph, node).ok()??;
                let words = attrs::Requantize::from_words(&lowered.attrs)?;
                let scale = Scale::of(node, &words)?;
                let zero = i64::from(words.range.input_zero_point);
                each(&|span| {
                    scale.requantize(Sum { low: i64::from(span.low) - zero, high: i64::from(span.high) - zero })
                })
            }
            NodeOp::Lut { table } => each(&|span| {
                let values = (span.low..=span.high).filter_map(|q| table.get((q + 128) as usize));
                values.map(|&v| Span::point(i32::from(v))).reduce(Span::hull).unwrap_or(Span::INT8)
            }),
            NodeOp::Add { .. } | NodeOp::Sub { .. } | NodeOp::Mul { .. } | NodeOp::Minimum | NodeOp::Maximum => {
                let second = self.spans_of(graph, *node.inputs.get(1)?)?;
                let lowered = lower(graph, node).ok()??;
                let of = |spans: &[Span], channel: usize| match spans {
                    [only] => Some(*only),
                    many => many.get(channel).copied().filter(|_| many.len() == outputs),
                };
                (0..outputs).map(|c| pairwise(node, &lowered, of(&from, c)?, of(&second, c)?)).collect()
            }
            NodeOp::Pad { value, .. } => {
                let padded = *value;
                if same { each(&|span| span.hull(Span::point(padded))) } else { None }
            }
            NodeOp::Concat { axis } if axis + 1 == y.shape.len() => {
                let mut spans = Vec::with_capacity(outputs);
                for &input in &node.inputs {
                    spans.extend(self.spans_of(graph, input)?);
                }
                (spans.len() == outputs).then_some(spans)
            }
            NodeOp::Concat { .. } => {
                let mut spans = from.clone();
                for &input in &node.inputs {
                    for (span, other) in spans.iter_mut().zip(self.spans_of(graph, input)?) {
                        *span = span.hull(other);
                    }
                }
                (spans.len() == outputs).then_some(spans)
            }
            NodeOp::Slice { begin, stride } => {
                let (&begin, &stride) = (begin.last()?, stride.last()?);
                let at = |channel: usize| begin.checked_add_signed(stride.checked_mul(channel as isize)?);
                (0..outputs).map(|channel| from.get(at(channel)?).copied()).collect()
            }
            NodeOp::Gather { axis, .. } if axis + 1 < x.shape.len() => each(&|span| span),
            NodeOp::Transpose { perm } if perm.last().is_some_and(|&p| p + 1 == x.shape.len()) => each(&|span| span),
            NodeOp::Reshape if outputs.is_multiple_of(from.len().max(1)) => {
                Some(from.iter().copied().cycle().take(outputs).collect())
            }
            NodeOp::Reshape if from.len().is_multiple_of(outputs.max(1)) => {
                let (head, rest) = from.split_at_checked(outputs)?;
                let mut spans = head.to_vec();
                for chunk in rest.chunks(outputs) {
                    for (span, &other) in spans.iter_mut().zip(chunk) {
                        *span = span.hull(other);
                    }
                }
                Some(spans)
            }
            NodeOp::ReduceMax { axes } | NodeOp::ReduceMin { axes } if !axes.contains(&(x.shape.len() - 1)) => {
                each(&|span| span)
            }
            NodeOp::Copy => each(&|span| span),
            // Wherever it comes from, it is one of the values.
            NodeOp::Gather { .. } | NodeOp::Transpose { .. } | NodeOp::Reshape => Some(vec![all()?; outputs]),
            _ => None,
        }
    }

    fn average(
        &self,
        context: &Context<'_>,
        window: &Window,
        clamp: Clamp,
        count_include_pad: bool,
        from: &[Span],
        outputs: usize,
    ) -> Option<Vec<Span>> {
        let (x, y) = (context.input(0).ok()?, context.output().ok()?);
        if from.len() != outputs {
            return None;
        }
        if context.node.rounding == Rounding::Tflite {
            // The mean of equal values is the value, also as integers are divided there.
            return Some(from.iter().map(|span| span.clamped(clamp.low, clamp.high)).collect());
        }
        if window.kernel.iter().product::<usize>() > MOST_POOL_TAPS {
            return None;
        }
        let (&[_, h, w, _], &[_, oh, ow, _]) = (x.shape.as_slice(), y.shape.as_slice()) else { return None };
        let (rows, columns) = (classes(window, 0, h, oh)?, classes(window, 1, w, ow)?);
        let lowered = lower(context.graph, context.node).ok()??;
        let [ConstData::I32(mantissas), ConstData::I8(shifts), ..] = lowered.consts.as_slice() else { return None };
        debug_assert!(!count_include_pad || mantissas.windows(2).all(|pair| pair.first() == pair.last()));
        let mut counts: Vec<usize> =
            rows.iter().flat_map(|r| columns.iter().map(move |c| r.len() * c.len())).filter(|&n| n > 0).collect();
        counts.sort_unstable();
        counts.dedup();
        let mut spans: Vec<Option<Span>> = vec![None; outputs];
        for count in counts {
            let (&mantissa, &shift) = (mantissas.get(count - 1)?, shifts.get(count - 1)?);
            let multiplier = Multiplier::new(mantissa, i32::from(shift))?;
            let scale = Scale { multiplier, rounding: Rounding::Single, zero_point: y.zero_point, clamp };
            let sum = |value: i32| i64::from(value - x.zero_point) * count as i64;
            for (slot, span) in spans.iter_mut().zip(from) {
                let average = scale.average(Sum { low: sum(span.low), high: sum(span.high) });
                *slot = Some(slot.map_or(average, |before| before.hull(average)));
            }
        }
        spans.into_iter().collect()
    }
}

/// Bounds of the channels of a constant.
fn constants(tensor: &Tensor) -> Option<Vec<Span>> {
    let data = tensor.data.as_ref().filter(|_| tensor.ty == ElementType::I8)?;
    let width = channels(tensor).max(1);
    let mut spans: Vec<Span> = data.get(..width)?.iter().map(|&byte| Span::point(i32::from(byte as i8))).collect();
    for row in data.chunks(width) {
        for (span, &byte) in spans.iter_mut().zip(row) {
            *span = span.hull(Span::point(i32::from(byte as i8)));
        }
    }
    Some(spans)
}

/// How an accumulator becomes a value.
struct Scale {
    multiplier: Multiplier,
    rounding: Rounding,
    zero_point: i32,
    clamp: Clamp,
}

impl Scale {
    fn of(node: &Node, words: &attrs::Requantize) -> Option<Self> {
        let attrs::Range { output_zero_point, low, high, .. } = words.range;
        Some(Self {
            multiplier: words.multiplier.get()?,
            rounding: node.rounding,
            zero_point: output_zero_point,
            clamp: Clamp { low, high },
        })
    }

    /// Returns the ends as accumulators, if between them no product with the multiplier wraps.
    fn ends(&self, sum: Sum) -> Option<(i32, i32)> {
        let fits = |value: i64| -> Option<i32> {
            if self.rounding == Rounding::Tflite {
                i32::try_from(value << self.multiplier.shift.max(0)).ok()?;
            }
            i32::try_from(value).ok()
        };
        // A value of 2^32 and more shifted by at most 30 fits 64 bits only if it is looked at first.
        i32::try_from(sum.low).ok()?;
        i32::try_from(sum.high).ok()?;
        Some((fits(sum.low)?, fits(sum.high)?))
    }

    fn anything(&self) -> Span {
        Span { low: self.clamp.low, high: self.clamp.high }
    }

    fn requantize(&self, sum: Sum) -> Span {
        let Some((low, high)) = self.ends(sum) else { return self.anything() };
        let Clamp { low: least, high: most } = self.clamp;
        let value = |a: i32| requantize(a, self.multiplier, self.rounding, self.zero_point, least, most);
        Span { low: value(low), high: value(high) }
    }

    /// As `requantize`, with the rounding of averages.
    fn average(&self, sum: Sum) -> Span {
        if self.rounding == Rounding::Tflite {
            return self.requantize(sum);
        }
        let Some((low, high)) = self.ends(sum) else { return self.anything() };
        let value = |a: i32| {
            let moved = self.multiplier.apply_half_even(a).saturating_add(self.zero_point);
            moved.max(self.clamp.low).min(self.clamp.high)
        };
        Span { low: value(low), high: value(high) }
    }
}

/// Bounds of a function of two values that rises or falls in each of them.
fn pairwise(node: &Node, lowered: &Lowered, x1: Span, x2: Span) -> Option<Span> {
    match node.op {
        NodeOp::Minimum => Some(Span { low: x1.low.min(x2.low), high: x1.high.min(x2.high) }),
        NodeOp::Maximum => Some(Span { low: x1.low.max(x2.low), high: x1.high.max(x2.high) }),
        NodeOp::Mul { .. } => {
            let words = attrs::Product::from_words(&lowered.attrs)?;
            let [z1, z2] = words.input_zero_points;
            let products = [x1.low, x1.high].map(|a| [x2.low, x2.high].map(|b| i64::from(a - z1) * i64::from(b - z2)));
            let products = products.as_flattened();
            let sum = Sum { low: *products.iter().min()?, high: *products.iter().max()? };
            let scale = Scale {
                multiplier: words.multiplier.get()?,
                rounding: node.rounding,
                zero_point: words.output_zero_point,
                clamp: Clamp { low: words.low, high: words.high },
            };
            Some(scale.requantize(sum))
        }
        NodeOp::Add { .. } | NodeOp::Sub { .. } => {
            let words = attrs::Sum::from_words(&lowered.attrs)?;
            let [z1, z2] = words.input_zero_points;
            let [m1, m2] = words.input_multipliers.map(attrs::MultiplierWords::get);
            let (m1, m2) = (m1?, m2?);
            // The verifier refuses a multiplier that enlarges: 29 bits stay below 2^30.
            if m1.shift > 0 || m2.shift > 0 || !(0..=20).contains(&words.left_shift) {
                return None;
            }
            let scaled = |x: i32, z: i32, m: Multiplier| i64::from(m.apply((x - z) << words.left_shift, node.rounding));
            let (a, b) = (
                Sum { low: scaled(x1.low, z1, m1), high: scaled(x1.high, z1, m1) },
                Sum { low: scaled(x2.low, z2, m2), high: scaled(x2.high, z2, m2) },
            );
            let negated = Sum { low: -b.high, high: -b.low };
            let scale = Scale {
                multiplier: words.multiplier.get()?,
                rounding: node.rounding,
                zero_point: words.output_zero_point,
                clamp: Clamp { low: words.low, high: words.high },
            };
            Some(scale.requantize(a.add(if matches!(node.op, NodeOp::Add { .. }) { b } else { negated })))
        }
        _ => None,
    }
}

/// Which inputs a weighted node's output channel meets.
enum Inputs {
    /// All of them; input `k` of a channel's weights is channel `k` modulo the number of channels.
    All,
    /// Those of its group: groups of so many inputs and so many outputs.
    Group(usize, usize),
}

/// Where the weights of an output channel lie.
struct Layout {
    taps: usize,
    /// Inputs under one tap.
    inputs: usize,
    of_output: Inputs,
    /// `[output, tap, input]`, otherwise `[tap, output]`.
    channel_major: bool,
}

impl Layout {
    fn grouped(weights: &Weights, window: &Window, groups: usize, from: usize, outputs: usize) -> Option<Self> {
        let taps = window.kernel.iter().product::<usize>();
        let inputs = from.checked_div(groups).filter(|inputs| inputs * groups == from && *inputs > 0)?;
        let per_group = outputs.checked_div(groups).filter(|per| per * groups == outputs && *per > 0)?;
        let expected = outputs.checked_mul(taps)?.checked_mul(inputs)?;
        (weights.data.len() == expected && weights.bias.len() == outputs).then_some(Self {
            taps,
            inputs,
            of_output: Inputs::Group(inputs, per_group),
            channel_major: true,
        })
    }

    fn depthwise(weights: &Weights, window: &Window, from: usize, outputs: usize) -> Option<Self> {
        let taps = window.kernel.iter().product::<usize>();
        let per_group = outputs.checked_div(from).filter(|per| per * from == outputs && *per > 0)?;
        (weights.data.len() == outputs.checked_mul(taps)? && weights.bias.len() == outputs).then_some(Self {
            taps,
            inputs: 1,
            of_output: Inputs::Group(1, per_group),
            channel_major: false,
        })
    }
}

/// Which taps are valid together.
struct Taps {
    rows: Vec<Range<usize>>,
    columns: Vec<Range<usize>>,
    height: usize,
    width: usize,
    /// Whether `rows` and `columns` tell; otherwise any tap may be missing.
    known: bool,
}

impl Taps {
    fn of(window: &Window, input: &[usize], output: &[usize]) -> Self {
        let [height, width] = window.kernel;
        let (&[_, h, w, _], &[_, oh, ow, _]) = (input, output) else { return Self::alone(window) };
        match (classes(window, 0, h, oh), classes(window, 1, w, ow)) {
            (Some(rows), Some(columns)) => Self { rows, columns, height, width, known: true },
            _ => Self::alone(window),
        }
    }

    /// Any tap may be missing.
    fn alone(window: &Window) -> Self {
        let [height, width] = window.kernel;
        Self { rows: Vec::new(), columns: Vec::new(), height, width, known: false }
    }
}

/// Bounds of the outputs of a node with weights.
#[expect(clippy::too_many_arguments, reason = "a node with all that belongs to it")]
fn weighted(
    context: &Context<'_>,
    x: &Tensor,
    y: &Tensor,
    from: &[Span],
    weights: &Weights,
    clamp: Clamp,
    layout: &Layout,
    taps: &Taps,
) -> Option<Vec<Span>> {
    let Bias::I32(bias) = &weights.bias else { return None };
    let multipliers = context.weight_multipliers(weights).ok()?;
    if multipliers.len() != 1 && multipliers.len() != bias.len() || taps.height * taps.width != layout.taps {
        return None;
    }
    let terms = [taps.rows.len(), taps.columns.len(), layout.taps, bias.len()];
    let terms = terms.iter().fold(1usize, |product, &n| product.saturating_mul(n));
    let combined = taps.known && terms <= MOST_TERMS;
    let zero = x.zero_point;
    let mut spans = Vec::with_capacity(bias.len());
    let mut sums = vec![Sum::default(); layout.taps];
    for (output, &bias) in bias.iter().enumerate() {
        for (tap, sum) in sums.iter_mut().enumerate() {
            *sum = Sum::default();
            let first = match layout.of_output {
                Inputs::All => 0,
                Inputs::Group(inputs, outputs) => output / outputs * inputs,
            };
            for input in 0..layout.inputs {
                let at = if layout.channel_major {
                    (output * layout.taps + tap) * layout.inputs + input
                } else {
                    tap * bias_len(weights) + output
                };
                let &weight = weights.data.get(at)?;
                let span = from.get((first + input) % from.len().max(1))?;
                let product = |value: i32| i64::from(weight) * i64::from(value - zero);
                let (a, b) = (product(span.low), product(span.high));
                *sum = sum.add(Sum { low: a.min(b), high: a.max(b) });
            }
        }
        let bias = Sum { low: bias.into(), high: bias.into() };
        let total = if combined {
            let over = |rows: &Range<usize>, columns: &Range<usize>| {
                let taps = rows.clone().flat_map(|r| columns.clone().map(move |c| r * taps.width + c));
                taps.filter_map(|tap| sums.get(tap)).fold(bias, |total, &sum| total.add(sum))
            };
            let combinations = taps.rows.iter().flat_map(|r| taps.columns.iter().map(move |c| over(r, c)));
            combinations.reduce(Sum::hull)?
        } else {
            sums.iter().fold(bias, |total, sum| total.add(sum.or_nothing()))
        };
        let &multiplier = multipliers.get(output).or_else(|| multipliers.first())?;
        let scale = Scale { multiplier, rounding: context.node.rounding, zero_point: y.zero_point, clamp };
        spans.push(scale.requantize(total));
    }
    Some(spans)
}

fn bias_len(weights: &Weights) -> usize {
    weights.bias.len()
}

fn set<T>(values: &mut [T], at: usize, value: T) {
    if let Some(slot) = values.get_mut(at) {
        *slot = value;
    }
}
