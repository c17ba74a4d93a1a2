//! Operators that move values or pick some, and the folding of shape arithmetic.

use std::rc::Rc;

use super::constant::{Constant, Data, transposed_indices, type_name, walk};
use super::proto::Op;
use super::value::{Border, Kind, Move, Pending, Value};
use super::{Importer, MAX_ELEMENTS, MAX_MOVES, MAX_NESTED, MAX_SOURCE_RANK, QUANTIZE_ALL, Res, elements};

impl Importer {
    /// Returns `value` after `step`, which gives `shape`.
    pub(super) fn moved(&mut self, op: &Op, value: &Value, step: Move, shape: Vec<usize>) -> Res<Value> {
        if elements(&shape).is_none_or(|n| n == 0) || shape.len() > MAX_SOURCE_RANK {
            return Err(op.unsupported(
                format!("it gives shape {shape:?}"),
                format!(
                    "tensors need at least one and at most {MAX_ELEMENTS} elements, and at most {MAX_SOURCE_RANK} axes"
                ),
            ));
        }
        if let Value::Constant(_) | Value::Dequantized(_) = value {
            self.spend(elements(&shape).unwrap_or(usize::MAX), &op.place)?;
        }
        Ok(match value {
            Value::Constant(constant) => {
                let folded = fold(constant, &step, shape);
                Value::Constant(Rc::new(folded.ok_or_else(|| not_folded(op))?))
            }
            Value::Dequantized(constant) => {
                let folded = match &step {
                    Move::Transpose(perm) => constant.transposed(perm),
                    Move::Reshape(shape) => constant.reshaped(shape.clone()),
                    _ => None,
                };
                Value::Dequantized(Rc::new(folded.ok_or_else(|| not_folded(op))?))
            }
            Value::Integer { view, unsigned } => {
                Value::Integer { view: self.builder.apply(view, &step, &op.place)?, unsigned: *unsigned }
            }
            Value::Real(view) => Value::Real(self.builder.apply(view, &step, &op.place)?),
            Value::Table(table) => {
                let step = match step {
                    Move::MaxPool { .. } | Move::Reduce { .. } if !table.is_monotone() => {
                        return Err(op.unsupported(
                            "its input is computed in float: no QuantizeLinear stands after the function before it",
                            QUANTIZE_ALL,
                        ));
                    }
                    Move::Pad { before, shape: padded, border: Border::Real(real) } => {
                        let values = table.values();
                        let least = *table.quant.integers().start();
                        let stands_for = |q: &i32| values.get((q - least) as usize) == Some(&real);
                        let zero = Some(table.quant.zero_point).filter(stands_for);
                        let Some(integer) = zero.or_else(|| table.quant.integers().find(stands_for)) else {
                            let pad = Move::Pad { before, shape: padded, border: Border::Real(real) };
                            return self.wait(op, Kind::Table(table.clone()), table.view.shape.clone(), pad, shape);
                        };
                        Move::Pad { before, shape: padded, border: Border::Int(integer) }
                    }
                    other => other,
                };
                let view = self.builder.apply(&table.view, &step, &op.place)?;
                {
                    let mut table = table.clone();
                    table.view = view;
                    Value::Table(table)
                }
            }
            Value::Pending(pending) => {
                let mut pending = Pending::clone(pending);
                if pending.moves.len() >= MAX_MOVES {
                    return Err(op.unsupported(format!("more than {MAX_MOVES} moves in float"), QUANTIZE_ALL));
                }
                pending.moves.push(step);
                pending.shape = shape;
                Value::Pending(Rc::new(pending))
            }
        })
    }

    pub(super) fn wait(&self, op: &Op, kind: Kind, result: Vec<usize>, step: Move, shape: Vec<usize>) -> Res<Value> {
        let Value::Pending(pending) = self.pending(op, kind, result)? else { return Err(not_folded(op)) };
        let mut pending = Pending::clone(&pending);
        pending.moves.push(step);
        pending.shape = shape;
        Ok(Value::Pending(Rc::new(pending)))
    }

    /// Returns the integers of a constant input.
    fn constant_integers(&self, op: &Op, i: usize) -> Res<Vec<i64>> {
        self.constant(op, i)?.integers().ok_or_else(|| op.malformed(format!("input {i} is not of integers")))
    }

    /// Returns the axes of a node: an attribute before operator set `since`, input `i` from then on.
    pub(super) fn axes(&self, op: &Op, i: usize, since: i64) -> Res<Option<Vec<i64>>> {
        if op.opset < since {
            return Ok(op.ints("axes")?.map(<[i64]>::to_vec));
        }
        if op.input_name(i).is_none() { Ok(None) } else { self.constant_integers(op, i).map(Some) }
    }

    pub(super) fn reshape(&mut self, op: &Op) -> Res<Value> {
        let input = self.input(op, 0)?;
        let from = input.shape().to_vec();
        let wanted = self.constant_integers(op, 1)?;
        let allow_zero = op.int("allowzero", 0)? != 0;
        let total = elements(&from).unwrap_or(0);
        let mut shape = Vec::with_capacity(wanted.len().min(16));
        let mut open = None;
        for (i, &extent) in wanted.iter().enumerate().take(16) {
            shape.push(match extent {
                -1 if open.is_none() => {
                    open = Some(i);
                    1
                }
                0 if !allow_zero => {
                    *from.get(i).ok_or_else(|| op.inconsistent("it copies an axis that its input does not have"))?
                }
                extent => usize::try_from(extent).map_err(|_| op.malformed(format!("shape {wanted:?}")))?,
            });
        }
        if let Some(slot) = open.and_then(|i| shape.get_mut(i)) {
            *slot = 1;
            let known = elements(&shape).filter(|&n| n > 0 && total.is_multiple_of(n));
            let rest = known.ok_or_else(|| op.inconsistent(format!("shape {from:?} as {wanted:?}")))?;
            if let Some(slot) = open.and_then(|i| shape.get_mut(i)) {
                *slot = total / rest;
            }
        }
        if wanted.len() > 16 || elements(&shape) != Some(total) {
            return Err(op.inconsistent(format!("shape {from:?} as {wanted:?}")));
        }
        self.moved(op, &input, Move::Reshape(shape.clone()), shape)
    }

    pub(super) fn flatten(&mut self, op: &Op) -> Res<Value> {
        let input = self.input(op, 0)?;
        let rank = i64::try_from(input.shape().len()).unwrap_or(0);
        let axis = op.int("axis", 1)?;
        let axis = usize::try_from(if axis < 0 { axis.saturating_add(rank) } else { axis })
            .ok()
            .filter(|&a| a <= input.shape().len())
            .ok_or_else(|| op.malformed(format!("axis {axis} of {rank} axes")))?;
        let (outer, inner) = input.shape().split_at(axis);
        let shape = vec![outer.iter().product(), inner.iter().product()];
        self.moved(op, &input, Move::Reshape(shape.clone()), shape)
    }

    pub(super) fn squeeze(&mut self, op: &Op) -> Res<Value> {
        let input = self.input(op, 0)?;
        let shape = input.shape();
        let drop = match self.axes(op, 1, 13)? {
            Some(axes) => normalized(op, &axes, shape.len())?,
            None => (0..shape.len()).filter(|&i| shape.get(i) == Some(&1)).collect(),
        };
        if drop.iter().any(|&i| shape.get(i) != Some(&1)) {
            return Err(op.inconsistent(format!("it squeezes axes {drop:?} of shape {shape:?}")));
        }
        let shape: Vec<usize> =
            shape.iter().enumerate().filter(|(i, _)| !drop.contains(i)).map(|(_, &extent)| extent).collect();
        self.moved(op, &input, Move::Reshape(shape.clone()), shape)
    }

    pub(super) fn unsqueeze(&mut self, op: &Op) -> Res<Value> {
        let input = self.input(op, 0)?;
        let axes = self.axes(op, 1, 13)?.ok_or_else(|| op.malformed("it has no axes"))?;
        let rank = input.shape().len().saturating_add(axes.len());
        if rank > MAX_SOURCE_RANK {
            return Err(op.unsupported(format!("it gives {rank} axes"), format!("use at most {MAX_SOURCE_RANK}")));
        }
        let insert = normalized(op, &axes, rank)?;
        let mut rest = input.shape().iter().copied();
        let shape: Vec<usize> =
            (0..rank).map(|i| if insert.contains(&i) { 1 } else { rest.next().unwrap_or(1) }).collect();
        self.moved(op, &input, Move::Reshape(shape.clone()), shape)
    }

    pub(super) fn transpose(&mut self, op: &Op) -> Res<Value> {
        let input = self.input(op, 0)?;
        let rank = input.shape().len();
        let perm = match op.ints("perm")? {
            Some(perm) => normalized(op, perm, rank)?,
            None => (0..rank).rev().collect(),
        };
        if perm.len() != rank {
            return Err(op.inconsistent(format!("permutation {perm:?} of {rank} axes")));
        }
        let shape = super::builder::permute(input.shape(), &perm);
        self.moved(op, &input, Move::Transpose(perm), shape)
    }

    pub(super) fn slice(&mut self, op: &Op) -> Res<Value> {
        let input = self.input(op, 0)?;
        let shape = input.shape().to_vec();
        let (starts, ends) = (self.constant_integers(op, 1)?, self.constant_integers(op, 2)?);
        let axes = match op.input_name(3) {
            Some(_) => normalized(op, &self.constant_integers(op, 3)?, shape.len())?,
            None => (0..starts.len()).collect(),
        };
        let steps = match op.input_name(4) {
            Some(_) => self.constant_integers(op, 4)?,
            None => vec![1; starts.len()],
        };
        if starts.len() != ends.len() || starts.len() != axes.len() || starts.len() != steps.len() {
            return Err(op.malformed("starts, ends, axes and steps differ in length"));
        }
        let mut begin = vec![0; shape.len()];
        let mut stride = vec![1isize; shape.len()];
        let mut count = shape.clone();
        for ((&axis, (&start, &end)), &step) in axes.iter().zip(starts.iter().zip(&ends)).zip(&steps) {
            let (Some(&extent), Some(b), Some(s), Some(c)) =
                (shape.get(axis), begin.get_mut(axis), stride.get_mut(axis), count.get_mut(axis))
            else {
                return Err(op.inconsistent(format!("it slices axis {axis} of shape {shape:?}")));
            };
            if extent == 0 {
                return Err(op.inconsistent("it slices an empty tensor"));
            }
            let n = extent as i64;
            let wrap = |i: i64| if i < 0 { i.saturating_add(n) } else { i };
            let picked = if step > 0 {
                let (from, to) = (wrap(start).clamp(0, n), wrap(end).clamp(0, n));
                *b = from as usize;
                (to - from).max(0).div_euclid(step) + i64::from((to - from).max(0).rem_euclid(step) != 0)
            } else if step < 0 {
                let (from, to) = (wrap(start).clamp(0, n - 1), wrap(end).clamp(-1, n - 1));
                *b = from.max(0) as usize;
                let (room, step) = ((from - to).max(0), step.saturating_neg());
                room / step + i64::from(room % step != 0)
            } else {
                return Err(op.malformed("a step is 0"));
            };
            *s = step.clamp(-n.max(1), n.max(1)) as isize;
            *c = picked as usize;
        }
        self.moved(op, &input, Move::Slice { begin, stride, count: count.clone() }, count)
    }

    /// Returns the parts of a Split, in the order of its outputs.
    pub(super) fn split(&mut self, op: &Op) -> Res<Vec<Value>> {
        let input = self.input(op, 0)?;
        let shape = input.shape().to_vec();
        let axes = normalized(op, &[op.int("axis", 0)?], shape.len())?;
        let axis = axes.first().copied().unwrap_or(0);
        let extent = shape.get(axis).copied().unwrap_or(0);
        let parts = op.proto.output.len();
        let stated = if op.opset < 13 {
            op.ints("split")?.map(<[i64]>::to_vec)
        } else if op.input_name(1).is_some() {
            Some(self.constant_integers(op, 1)?)
        } else {
            None
        };
        let sizes: Vec<usize> = if let Some(sizes) = stated {
            let sizes: Option<Vec<usize>> = sizes.iter().map(|&s| usize::try_from(s).ok()).collect();
            sizes.ok_or_else(|| op.malformed("a negative extent"))?
        } else {
            let each = extent.div_ceil(parts.max(1));
            (0..parts).map(|i| each.min(extent.saturating_sub(each.saturating_mul(i)))).collect()
        };
        let sum = sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size));
        if sizes.len() != parts || sum != Some(extent) {
            return Err(op.inconsistent(format!("it splits an extent of {extent} into {sizes:?} for {parts} outputs")));
        }
        let mut from = 0;
        let mut values = Vec::with_capacity(parts);
        for size in sizes {
            values.push(self.take(op, &input, axis, from, size)?);
            from += size;
        }
        Ok(values)
    }

    fn take(&mut self, op: &Op, input: &Value, axis: usize, from: usize, size: usize) -> Res<Value> {
        let mut count = input.shape().to_vec();
        let mut begin = vec![0; count.len()];
        if let (Some(b), Some(c)) = (begin.get_mut(axis), count.get_mut(axis)) {
            (*b, *c) = (from, size);
        }
        let stride = vec![1; count.len()];
        self.moved(op, input, Move::Slice { begin, stride, count: count.clone() }, count)
    }

    pub(super) fn pad(&mut self, op: &Op) -> Res<Value> {
        let mode = op.string("mode", "constant")?;
        if !matches!(mode, "constant" | "reflect" | "edge" | "wrap") {
            return Err(op.malformed(format!("mode = {mode}")));
        }
        let input = self.input(op, 0)?;
        let shape = input.shape().to_vec();
        let pads = self.constant_integers(op, 1)?;
        let axes = match op.input_name(3) {
            Some(_) => normalized(op, &self.constant_integers(op, 3)?, shape.len())?,
            None => (0..shape.len()).collect(),
        };
        if pads.len() != axes.len() * 2 {
            return Err(op.malformed(format!("{} pads for {} axes", pads.len(), axes.len())));
        }
        let (befores, afters) = pads.split_at(axes.len());
        let mut before = vec![0usize; shape.len()];
        let mut padded = shape.clone();
        for ((&axis, &b), &a) in axes.iter().zip(befores).zip(afters) {
            let room = |p: i64| usize::try_from(p).ok().filter(|&p| p <= MAX_ELEMENTS);
            let (Some(b), Some(a)) = (room(b), room(a)) else {
                return Err(op.unsupported("it has negative pads", "slice the input instead"));
            };
            if let (Some(slot), Some(extent)) = (before.get_mut(axis), padded.get_mut(axis)) {
                *slot = b;
                *extent += b + a;
            }
        }
        if padded == shape {
            return Ok(input);
        }
        if mode != "constant" {
            return self.pad_by_copies(op, input, mode, &before, &padded);
        }
        let border = match (&input, op.input_name(2)) {
            (Value::Integer { unsigned: true, .. }, None) => Border::Int(-128),
            (Value::Integer { .. }, None) => Border::Int(0),
            (Value::Integer { unsigned, .. }, Some(_)) => {
                let constant = self.constant(op, 2)?;
                match (&constant.data, unsigned) {
                    (Data::I8(v), false) => Border::Int(v.first().map_or(0, |&v| v.into())),
                    (Data::U8(v), true) => Border::Int(v.first().map_or(0, |&v| i32::from(v)) - 128),
                    _ => return Err(op.inconsistent("its border is not of its input's type")),
                }
            }
            (_, None) => Border::Real(0.0),
            (_, Some(_)) => match self.input(op, 2)? {
                Value::Constant(c) => {
                    Border::Real(c.scalar_f32().ok_or_else(|| op.malformed("its border is not one float"))?)
                }
                Value::Dequantized(d) => {
                    Border::Real(d.scalar().ok_or_else(|| op.malformed("its border is not one float"))?)
                }
                _ => return Err(op.unsupported("its border is not constant", "pad with a constant")),
            },
        };
        self.moved(op, &input, Move::Pad { before, shape: padded.clone(), border }, padded)
    }

    /// Pad whose border repeats elements of the input.
    fn pad_by_copies(&mut self, op: &Op, input: Value, mode: &str, before: &[usize], padded: &[usize]) -> Res<Value> {
        let shape = input.shape().to_vec();
        let mut value = input;
        for (axis, ((&n, &before), &total)) in shape.iter().zip(before).zip(padded).enumerate() {
            let after = total - n - before;
            let most = match mode {
                "reflect" => n.saturating_sub(1),
                "wrap" => n,
                _ => MAX_ELEMENTS,
            };
            if before.max(after) > most {
                return Err(op.unsupported(format!("a border of {} of {n} elements", before.max(after)), "pad less"));
            }
            if total == n {
                continue;
            }
            self.spend(total, &op.place)?;
            let copied = |i: usize| match (i.checked_sub(before), mode) {
                (Some(i), _) if i < n => i,
                (None, "reflect") => before - i,
                (Some(i), "reflect") => 2 * (n - 1) - i,
                (None, "wrap") => n + i - before,
                (Some(i), "wrap") => i - n,
                (None, _) => 0,
                (Some(_), _) => n - 1,
            };
            value = self.picked(op, &value, axis, (0..total).map(copied).collect())?;
        }
        Ok(value)
    }

    pub(super) fn expand(&mut self, op: &Op) -> Res<Value> {
        let mut input = self.input(op, 0)?;
        let wanted = self.constant_integers(op, 1)?;
        let wanted: Option<Vec<usize>> = wanted.iter().map(|&d| usize::try_from(d).ok()).collect();
        let wanted = wanted.ok_or_else(|| op.malformed("a negative extent"))?;
        let shape = super::constant::broadcast(input.shape(), &wanted)
            .ok_or_else(|| op.inconsistent(format!("shape {:?} to {wanted:?}", input.shape())))?;
        let ones = shape.len().saturating_sub(input.shape().len());
        if ones > 0 {
            let full: Vec<usize> = std::iter::repeat_n(1, ones).chain(input.shape().iter().copied()).collect();
            input = self.moved(op, &input, Move::Reshape(full.clone()), full)?;
        }
        let stride = input.shape().iter().zip(&shape).map(|(from, to)| isize::from(from == to)).collect();
        let begin = vec![0; shape.len()];
        self.moved(op, &input, Move::Slice { begin, stride, count: shape.clone() }, shape)
    }

    pub(super) fn concat(&mut self, op: &Op) -> Res<Value> {
        let parts = (0..op.proto.input.len()).map(|i| self.input(op, i)).collect::<Res<Vec<_>>>()?;
        let Some(first) = parts.first() else { return Err(op.malformed("it has no inputs")) };
        let axes = normalized(op, &[op.int("axis", 0)?], first.shape().len())?;
        let axis = axes.first().copied().unwrap_or(0);
        let mut shape = first.shape().to_vec();
        for part in parts.iter().skip(1) {
            let same = part.shape().len() == shape.len()
                && part.shape().iter().zip(&shape).enumerate().all(|(i, (a, b))| i == axis || a == b);
            if !same {
                return Err(
                    op.inconsistent(format!("it joins shapes {shape:?} and {:?} along axis {axis}", part.shape()))
                );
            }
            if let (Some(sum), Some(extent)) = (shape.get_mut(axis), part.shape().get(axis)) {
                *sum = sum.saturating_add(*extent);
            }
        }
        if elements(&shape).is_none() {
            return Err(op.unsupported(format!("it gives shape {shape:?}"), format!("at most {MAX_ELEMENTS} elements")));
        }
        if parts.len() == 1 {
            return Ok(first.clone());
        }
        let integers = |part: &Value| match part {
            Value::Constant(constant) if constant.shape.len() == 1 => constant.integers(),
            _ => None,
        };
        if parts.iter().all(|part| matches!(part, Value::Constant(_))) {
            self.spend(elements(&shape).unwrap_or(usize::MAX), &op.place)?;
        }
        if let Some(lists) = parts.iter().map(integers).collect::<Option<Vec<_>>>() {
            return Ok(Value::Constant(Rc::new(Constant::from_i64(lists.concat()))));
        }
        let eight_bits = |part: &Value| match part {
            Value::Integer { view, unsigned } => Some((view.clone(), *unsigned)),
            _ => None,
        };
        if let Some(all) = parts.iter().map(eight_bits).collect::<Option<Vec<_>>>() {
            let unsigned = all.iter().any(|part| part.1);
            if all.iter().any(|part| part.1 != unsigned) {
                return Err(op.inconsistent("it joins int8 and uint8"));
            }
            let views: Vec<_> = all.into_iter().map(|part| part.0).collect();
            let view = self.builder.concat(op.output_name(0)?, &views, axis, &op.place)?;
            return Ok(Value::Integer { view, unsigned });
        }
        if parts.iter().any(|part| matches!(part, Value::Integer { .. } | Value::Real(_))) {
            return Err(op.unsupported("it joins tensors of which some are not quantized", QUANTIZE_ALL));
        }
        self.pending(op, Kind::Concat { parts, axis }, shape)
    }

    /// Shape of a tensor: all are known.
    pub(super) fn shape_of(&mut self, op: &Op) -> Res<Value> {
        let input = self.input(op, 0)?;
        let rank = input.shape().len() as i64;
        let bound = |i: i64| (if i < 0 { i.saturating_add(rank) } else { i }).clamp(0, rank) as usize;
        let (start, end) = (bound(op.int("start", 0)?), bound(op.int("end", rank)?));
        let extents = input.shape().iter().take(end).skip(start).map(|&d| d as i64).collect();
        Ok(Value::Constant(Rc::new(Constant::from_i64(extents))))
    }

    /// A Cast of shape arithmetic, or one that changes nothing.
    pub(super) fn cast(&mut self, op: &Op) -> Res<Value> {
        const FLOAT: i64 = 1;
        const UINT8: i64 = 2;
        const INT8: i64 = 3;
        const INT32: i64 = 6;
        const INT64: i64 = 7;
        let input = self.input(op, 0)?;
        let to = op.int("to", 0)?;
        let kept = match &input {
            Value::Integer { unsigned, .. } => to == if *unsigned { UINT8 } else { INT8 },
            Value::Constant(constant) => match &constant.data {
                Data::I64(v) if to == FLOAT => {
                    let reals = v.iter().map(|&v| v as f32).collect();
                    let folded = Constant { shape: constant.shape.clone(), data: Data::F32(reals) };
                    return Ok(Value::Constant(Rc::new(folded)));
                }
                Data::I64(_) | Data::I32(_) => to == INT64 || to == INT32,
                Data::F32(_) => to == FLOAT,
                Data::I8(_) => to == INT8,
                Data::U8(_) => to == UINT8,
                Data::I4(_) | Data::U4(_) | Data::I16(_) | Data::Other(_) => false,
            },
            _ => to == FLOAT,
        };
        if kept {
            return Ok(input);
        }
        Err(op.unsupported(
            format!("it casts to {}", type_name(i32::try_from(to).unwrap_or(-1))),
            "remove the Cast: everything runs in 8-bit integers",
        ))
    }

    pub(super) fn pending(&self, op: &Op, kind: Kind, shape: Vec<usize>) -> Res<Value> {
        if elements(&shape).is_none_or(|n| n == 0) {
            return Err(op.unsupported(
                format!("it gives shape {shape:?}"),
                format!("tensors need at least one and at most {MAX_ELEMENTS} elements"),
            ));
        }
        let depth = match &kind {
            Kind::Concat { parts, .. } => nested(parts),
            Kind::Extremum { parts, .. } => nested(parts),
            _ => 0,
        };
        if depth > MAX_NESTED {
            return Err(
                op.unsupported(format!("more than {MAX_NESTED} Concats feed one another in float"), QUANTIZE_ALL)
            );
        }
        Ok(Value::Pending(Rc::new(Pending {
            place: op.place.clone(),
            kind,
            result: shape.clone(),
            moves: Vec::new(),
            shape,
            low: f32::NEG_INFINITY,
            high: f32::INFINITY,
            depth,
        })))
    }
}

/// Returns how deep an operator over `parts` is nested.
fn nested(parts: &[Value]) -> usize {
    parts.iter().map(|part| if let Value::Pending(p) = part { p.depth } else { 0 }).max().unwrap_or(0) + 1
}

fn not_folded(op: &Op) -> crate::error::CompileError {
    op.unsupported(
        "it works on a constant in a way that is not folded",
        "fold constants before quantizing (onnxruntime.quantization.shape_inference.quant_pre_process)",
    )
}

/// Returns a constant after `step`.
fn fold(constant: &Constant, step: &Move, shape: Vec<usize>) -> Option<Constant> {
    match step {
        Move::Reshape(_) => constant.reshaped(shape),
        Move::Transpose(perm) => {
            let (_, indices) = transposed_indices(&constant.shape, perm)?;
            constant.picked(shape, &indices)
        }
        Move::Slice { begin, stride, count } => {
            let strides = super::constant::strides(&constant.shape);
            let mut start = 0isize;
            let mut steps = Vec::with_capacity(count.len());
            for ((&b, &s), &extent) in begin.iter().zip(stride).zip(&strides) {
                let extent = isize::try_from(extent).ok()?;
                start = start.checked_add(isize::try_from(b).ok()?.checked_mul(extent)?)?;
                steps.push(s.checked_mul(extent)?);
            }
            constant.picked(shape, &walk(count, start, &steps)?)
        }
        Move::Gather { axis, indices, .. } => {
            let (outer, inner) = constant.shape.split_at(*axis);
            let (&extent, inner) = inner.split_first()?;
            let inner: usize = inner.iter().product();
            let linear = (0..outer.iter().product::<usize>())
                .flat_map(|o| indices.iter().flat_map(move |&i| (0..inner).map(move |k| (o * extent + i) * inner + k)));
            constant.picked(shape, &linear.collect::<Vec<_>>())
        }
        Move::Pad { .. } | Move::MaxPool { .. } | Move::Reduce { .. } => None,
    }
}

/// Returns the sum and the like of two lists of integers, as shape arithmetic needs it.
pub(super) fn fold_integers(op: &Op, a: &Value, b: &Value) -> Res<Option<Value>> {
    let (Value::Constant(a), Value::Constant(b)) = (a, b) else { return Ok(None) };
    let (Some(x), Some(y)) = (a.integers(), b.integers()) else { return Ok(None) };
    let n = x.len().max(y.len());
    if (x.len() != n && x.len() != 1) || (y.len() != n && y.len() != 1) {
        return Err(
            op.unsupported("it computes with constants of different lengths", "fold constants before quantizing")
        );
    }
    let shape = if x.len() == n { a.shape.clone() } else { b.shape.clone() };
    let function: fn(i64, i64) -> Option<i64> = match op.proto.op_type.as_str() {
        "Add" => i64::checked_add,
        "Sub" => i64::checked_sub,
        "Mul" => i64::checked_mul,
        "Div" => i64::checked_div,
        "Min" => |x, y| Some(x.min(y)),
        "Max" => |x, y| Some(x.max(y)),
        _ => |_, _| None,
    };
    let compute = |i: usize| function(*x.get(i).or(x.first())?, *y.get(i).or(y.first())?);
    let values: Option<Vec<i64>> = (0..n).map(compute).collect();
    let values = values.ok_or_else(|| op.inconsistent("its constant arithmetic overflows"))?;
    Ok(Some(Value::Constant(Rc::new(Constant { shape, data: Data::I64(values) }))))
}

/// Returns distinct axes counted from the front, or refuses.
pub(super) fn normalized(op: &Op, axes: &[i64], rank: usize) -> Res<Vec<usize>> {
    if axes.len() > rank {
        return Err(op.malformed(format!("{} axes of a tensor of {rank} axes", axes.len())));
    }
    let mut out = Vec::with_capacity(axes.len());
    for &axis in axes {
        let from_front = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
        let found = usize::try_from(from_front).ok().filter(|&a| a < rank && !out.contains(&a));
        out.push(found.ok_or_else(|| op.malformed(format!("axes {axes:?} of a tensor of {rank} axes")))?);
    }
    Ok(out)
}
