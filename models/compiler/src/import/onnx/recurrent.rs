//! LSTM and GRU: recurrent layers whose hidden state has the quantization of their result.
//!
//! The float operator has no quantization inside; the integer one has (FORMAT.md, `lstm` and `gru`): gates' sums in Q3.12,
//! gates in Q0.15, the hidden state as the result is quantized, an LSTM's cell in 16 bits. The scale of the cell is a power of
//! two. It cannot overflow by default: a cell grows by less than one per step. A model that knows better says so in its
//! `metadata_props`: `tanbo.cell_range.<node>`, the greatest magnitude of the cell.

use std::rc::Rc;

use super::builder::NewQuant;
use super::constant::Data;
use super::proto::Op;
use super::value::{Kind, Move, Pending, Quant, Value, View};
use super::{Importer, Res};
use crate::error::{CompileError, CompileErrorKind};
use crate::graph::{NodeOp, Recurrence};
use tanbo_format::ElementType;

/// Bits of a cell beside its sign.
const CELL_BITS: f64 = 15.0;

/// One direction of a recurrent layer. Gates as in the artifact: input, forget, cell, output, or update, reset, new.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    /// GRU: whether it is linear before reset. LSTM: nothing.
    linear_before_reset: Option<bool>,
    units: usize,
    /// `[gates, units, inputs]` and `[gates, units, units]`, with one scale per gate and unit.
    input_weights: Vec<i8>,
    input_scales: Vec<f32>,
    recurrent_weights: Vec<i8>,
    recurrent_scales: Vec<f32>,
    /// `[gates, units]`.
    bias: Vec<f64>,
    /// `[units]`: of the new gate's sum over the hidden state, where that is linear before reset; else empty.
    recurrent_bias: Vec<f64>,
    reverse: bool,
    /// Bits after the point of an LSTM's cell.
    cell_bits: i32,
    /// `[batch, units]`, or empty for zeros.
    initial_hidden: Vec<f32>,
    initial_cell: Vec<f32>,
}

impl Importer {
    /// LSTM: result, last hidden state.
    pub(super) fn lstm(&mut self, op: &Op) -> Res<Vec<Value>> {
        self.recurrent(op, &[0, 2, 3, 1], &["Sigmoid", "Tanh", "Tanh"])
    }

    /// GRU: result, last hidden state.
    pub(super) fn gru(&mut self, op: &Op) -> Res<Vec<Value>> {
        self.recurrent(op, &[0, 1, 2], &["Sigmoid", "Tanh"])
    }

    /// `order`: the source's place of each gate.
    fn recurrent(&mut self, op: &Op, order: &[usize], activations: &[&str]) -> Res<Vec<Value>> {
        let (input, quant) = self.activation(op, 0)?;
        let &[steps, batch, inputs] = input.shape.as_slice() else {
            return Err(op.inconsistent(format!("its input has {} axes, not 3", input.shape.len())));
        };
        let (gates, lstm) = (order.len(), order.len() == 4);
        let (forward, backward) = match op.string("direction", "forward")? {
            "forward" => (true, false),
            "reverse" => (false, true),
            "bidirectional" => (true, true),
            other => return Err(op.malformed(format!("direction = {other}"))),
        };
        let directions = usize::from(forward) + usize::from(backward);
        refuse_variants(op, activations, directions)?;
        let (weights, recurrent) = (self.weights(op, 1)?, self.weights(op, 2)?);
        let &[_, rows, _] = weights.shape.as_slice() else {
            return Err(op.inconsistent("its weights have not 3 axes"));
        };
        let units = rows / gates;
        if weights.shape != [directions, gates * units, inputs] || recurrent.shape != [directions, gates * units, units]
        {
            return Err(
                op.inconsistent(format!("its weights have shapes {:?} and {:?}", weights.shape, recurrent.shape))
            );
        }
        let (input_data, input_scales) = self.int8_weights(op, &weights, 1, rows)?;
        let (recurrent_data, recurrent_scales) = self.int8_weights(op, &recurrent, 1, rows)?;
        let bias = self.reals_or_zeros(op, 3, &[directions, 2 * rows])?;
        self.fixed_lengths(op, steps)?;
        let initial_hidden = self.initial(op, 5, &[directions, batch, units])?;
        let initial_cell = if lstm { self.initial(op, 6, &[directions, batch, units])? } else { vec![] };
        if lstm && op.input_name(7).is_some() {
            return Err(op.unsupported("it has peepholes", "use an LSTM without them"));
        }
        let linear = op.int("linear_before_reset", 0)? != 0;
        let cell_bits = self.cell_bits(op, steps, &initial_cell)?;
        let mut layers = Vec::new();
        for direction in 0..directions {
            // The source's rows in the artifact's order.
            let places: Vec<usize> = order.iter().flat_map(|&gate| gate * units..(gate + 1) * units).collect();
            let pick = |data: &[i8], width: usize| -> Vec<i8> {
                let at = |place: usize| (direction * rows + place) * width;
                places
                    .iter()
                    .flat_map(|&place| data.get(at(place)..at(place) + width).unwrap_or_default())
                    .copied()
                    .collect()
            };
            let scales = |scales: &[f32]| places.iter().filter_map(|&place| scales.get(place).copied()).collect();
            let term = |place: usize| bias.get(direction * 2 * rows + place).copied().unwrap_or(0.0);
            let apart = !lstm && linear;
            let sums = places
                .iter()
                .enumerate()
                .map(|(row, &place)| term(place) + if apart && row >= 2 * units { 0.0 } else { term(rows + place) });
            let part = |values: &[f32]| {
                let length = batch * units;
                values.get(direction * length..(direction + 1) * length).unwrap_or_default().to_vec()
            };
            layers.push(Rc::new(Layer {
                linear_before_reset: (!lstm).then_some(linear),
                units,
                input_weights: pick(&input_data, inputs),
                input_scales: scales(&input_scales),
                recurrent_weights: pick(&recurrent_data, units),
                recurrent_scales: scales(&recurrent_scales),
                bias: sums.collect(),
                recurrent_bias: if apart { (0..units).map(|u| term(rows + 2 * units + u)).collect() } else { vec![] },
                reverse: if directions == 2 { direction == 1 } else { backward },
                cell_bits,
                initial_hidden: part(&initial_hidden),
                initial_cell: part(&initial_cell),
            }));
        }
        let shape = vec![steps, 1, batch, units];
        let mut sequences = Vec::new();
        let mut last = Vec::new();
        for layer in layers {
            let reverse = layer.reverse;
            let kind = Kind::Recurrent { input: input.clone(), quant, layer };
            let sequence = self.pending(op, kind, shape.clone())?;
            if let Value::Pending(pending) = &sequence {
                let begin = vec![if reverse { 0 } else { steps - 1 }, 0, 0, 0];
                let moves = vec![
                    Move::Slice { begin, stride: vec![1; 4], count: vec![1, 1, batch, units] },
                    Move::Reshape(vec![1, batch, units]),
                ];
                let shape = vec![1, batch, units];
                last.push(Value::Pending(Rc::new(Pending { moves, shape, ..Pending::clone(pending) })));
            }
            sequences.push(sequence);
        }
        let mut results = vec![];
        for (parts, axis, mut shape) in [(sequences, 1, shape), (last, 0, vec![1, batch, units])] {
            results.push(match <[Value; 1]>::try_from(parts) {
                Ok([one]) => one,
                Err(parts) => {
                    if let Some(extent) = shape.get_mut(axis) {
                        *extent = parts.len();
                    }
                    self.pending(op, Kind::Concat { parts, axis }, shape)?
                }
            });
        }
        Ok(results)
    }

    /// Returns constant input `i` as float32 values of this shape.
    fn float_values(&self, op: &Op, i: usize, shape: &[usize]) -> Res<Vec<f32>> {
        let (own, reals) = match self.input(op, i)? {
            Value::Constant(constant) => match &constant.data {
                Data::F32(reals) => (constant.shape.clone(), reals.clone()),
                other => return Err(op.inconsistent(format!("its input {i} is {}", other.type_name()))),
            },
            Value::Dequantized(constant) => (constant.shape.clone(), constant.reals()),
            _ => {
                return Err(op.unsupported(format!("its input {i} is not constant"), "use a constant, or leave it out"));
            }
        };
        if own != shape || !reals.iter().all(|r| r.is_finite()) {
            return Err(op.inconsistent(format!("its input {i} has shape {own:?}, not {shape:?}, or is not finite")));
        }
        Ok(reals)
    }

    fn reals_or_zeros(&mut self, op: &Op, i: usize, shape: &[usize]) -> Res<Vec<f64>> {
        let count = shape.iter().product();
        self.spend(count, &op.place)?;
        if op.input_name(i).is_none() {
            return Ok(vec![0.0; count]);
        }
        // The sum of a dequantized constant is exact only in f64.
        if let Value::Dequantized(constant) = self.input(op, i)?
            && constant.shape == shape
        {
            return Ok(constant.exact_reals());
        }
        Ok(self.float_values(op, i, shape)?.into_iter().map(f64::from).collect())
    }

    /// Returns an initial state; empty where it is left out or all zeros.
    fn initial(&mut self, op: &Op, i: usize, shape: &[usize]) -> Res<Vec<f32>> {
        if op.input_name(i).is_none() {
            return Ok(vec![]);
        }
        self.spend(shape.iter().product(), &op.place)?;
        let values = self.float_values(op, i, shape)?;
        Ok(if values.iter().all(|&v| v == 0.0) { vec![] } else { values })
    }

    /// All sequences are as long as the input.
    fn fixed_lengths(&self, op: &Op, steps: usize) -> Res<()> {
        if op.input_name(4).is_none() {
            return Ok(());
        }
        match self.input(op, 4)? {
            Value::Constant(constant) => match &constant.data {
                Data::I32(lengths) if lengths.iter().all(|&l| usize::try_from(l) == Ok(steps)) => Ok(()),
                _ => Err(op.unsupported("its sequences are shorter than its input", "leave sequence_lens out")),
            },
            _ => Err(op.unsupported("the lengths of its sequences are not constant", "leave sequence_lens out")),
        }
    }

    /// Returns the bits after the point of a cell.
    fn cell_bits(&self, op: &Op, steps: usize, initial: &[f32]) -> Res<i32> {
        let start = initial.iter().fold(0.0f64, |most, &c| most.max(f64::from(c).abs()));
        let range = match self.cell_ranges.get(op.proto.name.as_str()) {
            Some(text) => {
                let range = text.trim().parse::<f64>().ok().filter(|r| r.is_finite() && *r > 0.0);
                range.ok_or_else(|| op.malformed(format!("its tanbo.cell_range is '{text}', not a positive number")))?
            }
            None => steps as f64 + start,
        };
        Ok((CELL_BITS - range.log2()).floor().clamp(0.0, CELL_BITS) as i32)
    }

    /// Emits one direction: its result `[steps, 1, batch, units]`.
    pub(super) fn recurrent_node(
        &mut self,
        input: &View,
        from: Quant,
        layer: &Layer,
        quant: Quant,
        name: &str,
        place: &str,
    ) -> Res<View> {
        self.spend(layer.input_weights.len() + layer.recurrent_weights.len(), place)?;
        if from.ty != quant.ty {
            return Err(CompileError::new(
                CompileErrorKind::Unsupported,
                place,
                format!("its input is {}, its result {}", from.ty.name(), quant.ty.name()),
                "quantize both to int8, or both to int16",
            ));
        }
        let input = self.builder.with_quant(input, from, place)?;
        let input = self.builder.plain(&input, place)?;
        let (&[steps, batch, _], units) = (input.shape.as_slice(), layer.units) else {
            return Err(CompileError::new(
                CompileErrorKind::Inconsistent,
                place,
                "its input has not 3 axes",
                "export again",
            ));
        };
        let integers = |reals: &[f64], scale: f32, scales: &[f32]| {
            let unit = |i: usize| f64::from(scale) * f64::from(scales.get(i).copied().unwrap_or(1.0));
            reals.iter().enumerate().map(|(i, real)| (real / unit(i)).round() as i64).collect::<Vec<i64>>()
        };
        let new_gate = layer.recurrent_scales.get(2 * units..).unwrap_or_default();
        let weights = Recurrence {
            input_weights: layer.input_weights.clone(),
            input_scales: layer.input_scales.clone(),
            recurrent_weights: layer.recurrent_weights.clone(),
            recurrent_scales: layer.recurrent_scales.clone(),
            bias: integers(&layer.bias, from.scale, &layer.input_scales),
            recurrent_bias: integers(&layer.recurrent_bias, quant.scale, new_gate),
            time_major: true,
            reverse: layer.reverse,
            keep: false,
        };
        let state_shape = vec![batch, units];
        let hidden = self.builder.tensor(&format!("{name}/hidden"), state_shape.clone(), NewQuant::Is(quant), place)?;
        let bytes = |value: i32, ty: ElementType| value.to_le_bytes().into_iter().take(ty.bytes());
        let start: Vec<u8> = match layer.initial_hidden.as_slice() {
            [] => (0..batch * units).flat_map(|_| bytes(quant.zero_point, quant.ty)).collect(),
            values => values.iter().flat_map(|&v| bytes(quant.quantize(v), quant.ty)).collect(),
        };
        self.builder.state(hidden, start);
        let mut states = vec![hidden];
        let op = match layer.linear_before_reset {
            Some(linear_before_reset) => NodeOp::Gru { weights, linear_before_reset },
            None => {
                let unit = (-f64::from(layer.cell_bits)).exp2();
                let is = NewQuant::Is(Quant { scale: unit as f32, zero_point: 0, ty: ElementType::I16 });
                let cell = self.builder.tensor(&format!("{name}/cell"), state_shape, is, place)?;
                let start = match layer.initial_cell.as_slice() {
                    [] => vec![0; 2 * batch * units],
                    values => {
                        let integer = |v: f32| (f64::from(v) / unit).round_ties_even().clamp(-32768.0, 32767.0) as i16;
                        values.iter().flat_map(|&v| integer(v).to_le_bytes()).collect()
                    }
                };
                self.builder.state(cell, start);
                states.push(cell);
                NodeOp::Lstm { weights, cell_clip: 0 }
            }
        };
        let shape = vec![steps, batch, units];
        let tensor =
            self.builder.node_with_states(place, name, op, vec![input.tensor], states, shape, NewQuant::Is(quant))?;
        let shape = vec![steps, 1, batch, units];
        let tensor = self.builder.reshape(tensor, shape.clone(), place)?;
        Ok(View::plain(tensor, shape))
    }
}

/// Refuses what the integer operators do not compute.
fn refuse_variants(op: &Op, activations: &[&str], directions: usize) -> Res<()> {
    if op.int("layout", 0)? != 0 {
        return Err(
            op.unsupported("its layout is batch first", "export with layout 0, and a Transpose before and after")
        );
    }
    if op.has_attribute("clip") || op.int("input_forget", 0)? != 0 {
        return Err(op.unsupported("it has clip or input_forget", "use a plain layer"));
    }
    if op.optional_output(2).is_some() {
        return Err(op.unsupported("its cell state is used", "use its first two outputs"));
    }
    let given = op.proto.attribute.iter().find(|a| a.name == "activations");
    let expected = activations.iter().cycle().take(activations.len() * directions);
    if given.is_some_and(|a| !a.strings.iter().map(Vec::as_slice).eq(expected.map(|name| name.as_bytes()))) {
        return Err(op.unsupported("it has other activations than sigmoid and tanh", "use a plain layer"));
    }
    Ok(())
}
