//! Operators with variable tensors: SVDF, UNIDIRECTIONAL_SEQUENCE_LSTM.

use super::context::{Activation, Value, describe};
use super::op::Op;
use super::schema::{Svdf as SvdfOptions, UnidirectionalSequenceLstm};
use super::source::Type;
use crate::error::CompileError;
use crate::graph::{NodeOp, Recurrence, State, Svdf};
use tanbo_format::ElementType;
use tanbo_format::emit::StateStart;

/// Fused activations by their numbers in the schema.
const NONE: i8 = 0;
const RELU: i8 = 1;
const TANH: i8 = 4;

/// A constant matrix in 8 bits with one scale.
struct Matrix {
    values: Vec<i8>,
    scale: f32,
}

impl Op<'_, '_> {
    /// Returns operand `i`, a variable tensor with so many elements that belongs to this operator, as a state. It begins
    /// with its zero point.
    fn variable(&mut self, i: usize, elements: usize, what: &str) -> Result<Activation, CompileError> {
        let index = self.operand(i)?;
        let tensor = self.context.tensor(index)?;
        let activation = describe(tensor)?;
        if !tensor.variable || tensor.data.is_some() || self.context.value(index).is_some() {
            return Err(self.unsupported(
                format!("its {what} ({}) is no variable tensor of its own", tensor.place),
                "convert the model again with a state for each operator that has one",
            ));
        }
        if activation.elements() != elements {
            return Err(self.inconsistent(format!("its {what} has shape {:?}", activation.shape)));
        }
        // TensorFlow Lite Micro fills int8 with the zero point, everything else with 0.
        let zero_point = activation.quantization.zero_point;
        let fill = if activation.ty == ElementType::I8 { zero_point as i8 as u8 } else { 0 };
        if activation.ty != ElementType::I8 && zero_point != 0 {
            return Err(self.unsupported(
                format!("its {what} has zero point {zero_point}"),
                "quantize states of 16 bits symmetrically: zero point 0",
            ));
        }
        self.context.set(index, Value::State);
        let activation = self.context.add(tensor.name, activation, None);
        self.context.add_state(State { tensor: activation.id, start: StateStart::Fill(fill) });
        Ok(activation)
    }

    /// Returns constant operand `i`, int8 of this shape with one scale and zero point 0.
    fn matrix(&mut self, i: usize, shape: [usize; 2], what: &str) -> Result<Matrix, CompileError> {
        let constant = self.constant(i, Type::I8, what)?;
        if constant.shape != shape {
            return Err(self.inconsistent(format!("its {what} has shape {:?}, not {shape:?}", constant.shape)));
        }
        let scale = self.one_scale(&constant.scales, &constant.zero_points, what)?;
        self.context.charge(constant.bytes.len(), &self.source.place)?;
        Ok(Matrix { values: constant.bytes.iter().map(|&byte| byte as i8).collect(), scale })
    }

    fn one_scale(&self, scales: &[f32], zero_points: &[i64], what: &str) -> Result<f32, CompileError> {
        let (&[scale], true) = (scales, zero_points.iter().all(|&z| z == 0)) else {
            return Err(self.unsupported(
                format!("its {what} has {} scales and zero points {zero_points:?}", scales.len()),
                "quantize it per tensor and symmetrically: one scale, zero point 0",
            ));
        };
        if scale > 0.0 { Ok(scale) } else { Err(self.inconsistent(format!("its {what} has scale {scale}"))) }
    }

    /// Returns constant operand `i`, biases of this type, one for each of `units`, at about this scale.
    fn bias(&mut self, i: usize, ty: Type, units: usize, scale: f64, what: &str) -> Result<Vec<i64>, CompileError> {
        let constant = self.constant(i, ty, what)?;
        if constant.shape.iter().product::<usize>() != units || constant.zero_points.iter().any(|&z| z != 0) {
            return Err(self.inconsistent(format!("its {what} has shape {:?}, or a zero point", constant.shape)));
        }
        if let Some(&own) = constant.scales.first()
            && (constant.scales.len() != 1 || (f64::from(own) - scale).abs() > 0.01 * scale)
        {
            return Err(self.inconsistent(format!("its {what} has scale {own}, its operands ask for {scale}")));
        }
        self.context.charge(8 * units, &self.source.place)?;
        Ok(match ty {
            Type::I64 => constant.bytes.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect(),
            _ => constant.bytes.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b).into()).collect(),
        })
    }
}

/// SVDF: input, feature weights, time weights, bias, state.
pub fn svdf(op: &mut Op) -> Result<(), CompileError> {
    op.arity(5, 5, 1)?;
    let options: SvdfOptions = op.options()?;
    let x = op.activation(0)?;
    let &[batch, inputs] = x.shape.as_slice() else { return Err(op.inconsistent("its input has not 2 axes")) };
    let shape = op.result_shape(0)?;
    let &[rows, units] = shape.as_slice() else { return Err(op.inconsistent("its result has not 2 axes")) };
    let rank = usize::try_from(options.rank()?).ok().filter(|&rank| rank > 0);
    let rank = rank.ok_or_else(|| op.inconsistent("its rank is not positive"))?;
    let filters = units.checked_mul(rank).filter(|_| rows == batch);
    let filters = filters.ok_or_else(|| op.inconsistent(format!("its result has shape {shape:?}")))?;
    let feature = op.matrix(1, [filters, inputs], "feature weights")?;
    let ty = op.context.tensor(op.operand(2)?)?.ty;
    let ty = if ty == Type::I8 { Type::I8 } else { Type::I16 };
    let time = op.constant(2, ty, "time weights")?;
    let &[time_filters, memory] = time.shape.as_slice() else {
        return Err(op.inconsistent("its time weights have not 2 axes"));
    };
    if time_filters != filters {
        return Err(op.inconsistent(format!("its time weights have shape {:?}", time.shape)));
    }
    let time_scale = op.one_scale(&time.scales, &time.zero_points, "time weights")?;
    let time_weights: Vec<i16> = match ty {
        Type::I8 => time.bytes.iter().map(|&byte| i16::from(byte as i8)).collect(),
        _ => time.bytes.as_chunks().0.iter().map(|b| i16::from_le_bytes(*b)).collect(),
    };
    op.context.charge(2 * time_weights.len(), &op.source.place)?;
    let state = op.variable(4, batch.saturating_mul(filters).saturating_mul(memory), "state")?;
    let state_ty = if ty == Type::I8 { ElementType::I8 } else { ElementType::I16 };
    if state.ty != state_ty {
        return Err(op.unsupported(
            format!("its state is {}, its time weights are {}", state.ty.name(), ty.name()),
            "quantize both to int16, or both to int8",
        ));
    }
    if state.quantization.zero_point != 0 {
        return Err(op.unsupported(
            format!("its int8 state has zero point {}", state.quantization.zero_point),
            "quantize the state symmetrically: with a zero point, TensorFlow Lite Micro's kernel wraps around where it \
             should saturate (in its versions up to 2026-10)",
        ));
    }
    if !op.has(3) {
        return Err(op.unsupported("it has no bias", "give it a bias of zeros: the kernel cannot do without"));
    }
    let bias = op.bias(3, Type::I32, units, state.scale() * f64::from(time_scale), "bias")?;
    let y = op.output(0, &shape)?;
    // The kernel ignores the activation; RELU changes nothing where zero is the least value.
    match options.activation()? {
        NONE => {}
        RELU if y.quantization.zero_point == -128 => {}
        _ => {
            return Err(op.unsupported(
                "the int8 kernel ignores its fused activation",
                "make the activation an operator of its own",
            ));
        }
    }
    let constants = Svdf {
        rank,
        feature_weights: feature.values,
        feature_scale: feature.scale,
        time_weights,
        time_scale,
        bias: bias.into_iter().map(|b| b as i32).collect(),
    };
    op.push_with_states(NodeOp::Svdf(constants), &[&x], vec![state.id], &y);
    Ok(())
}

/// UNIDIRECTIONAL_SEQUENCE_LSTM: input, 4 + 4 weights, peepholes, 4 biases, projection, 2 states, layer normalization.
pub fn lstm(op: &mut Op) -> Result<(), CompileError> {
    op.arity(24, 24, 1)?;
    let options: UnidirectionalSequenceLstm = op.options()?;
    for (operands, what) in [(9..12, "peepholes"), (16..18, "a projection"), (20..24, "layer normalization")] {
        if operands.into_iter().any(|i| op.has(i)) {
            return Err(op.unsupported(format!("it has {what}"), "convert a plain LSTM layer"));
        }
    }
    if (1..9).chain(12..16).any(|i| !op.has(i)) {
        return Err(op.unsupported(
            "it has no weights or bias for one of its gates (a coupled input gate?)",
            "convert an LSTM layer with four gates and biases",
        ));
    }
    if options.diagonal_recurrent_tensors()? {
        return Err(op.unsupported("its recurrent weights are diagonal", "convert a plain LSTM layer"));
    }
    if options.activation()? != TANH {
        return Err(op.unsupported("the activation of its cell is not TANH", "convert an LSTM layer with tanh"));
    }
    let x = op.any_activation(0)?;
    let (bias_ty, wide) = match x.ty {
        ElementType::I16 => (Type::I64, true),
        _ => (Type::I32, false),
    };
    let &[first, second, inputs] = x.shape.as_slice() else { return Err(op.inconsistent("its input has not 3 axes")) };
    let time_major = options.time_major()?;
    let batch = if time_major { second } else { first };
    let shape = op.result_shape(0)?;
    let &[_, _, units] = shape.as_slice() else { return Err(op.inconsistent("its result has not 3 axes")) };
    if shape != [first, second, units] {
        return Err(op.inconsistent(format!("its result has shape {shape:?}, its input {:?}", x.shape)));
    }
    let hidden = op.variable(18, batch.saturating_mul(units), "hidden state")?;
    let cell = op.variable(19, batch.saturating_mul(units), "cell state")?;
    let y = op.any_output(0, &shape)?;
    if hidden.ty != x.ty || y.ty != x.ty || cell.ty != ElementType::I16 {
        return Err(op.unsupported(
            format!(
                "input, hidden state, cell state and result are {}, {}, {} and {}",
                x.ty.name(),
                hidden.ty.name(),
                cell.ty.name(),
                y.ty.name()
            ),
            "quantize activations to int8, or all to int16, and the cell state to int16",
        ));
    }
    if wide && x.quantization.zero_point != 0 {
        return Err(op.unsupported("its int16 input has a zero point", "quantize int16 activations symmetrically"));
    }
    if y.quantization != hidden.quantization {
        return Err(op.unsupported(
            "its result has another scale or zero point than its hidden state, of which the kernel copies it",
            "convert the model again",
        ));
    }
    let clip = options.cell_clip()?;
    let cell_clip = (f64::from(clip) / cell.scale()).clamp(0.0, 32767.0) as i32;
    if clip.is_nan() || clip < 0.0 || (clip > 0.0 && cell_clip == 0) {
        return Err(
            op.unsupported(format!("its cell_clip is {clip}"), "convert an LSTM layer without, or with a wider one")
        );
    }
    let mut weights = Recurrence {
        input_weights: vec![],
        input_scales: vec![],
        recurrent_weights: vec![],
        recurrent_scales: vec![],
        bias: vec![],
        recurrent_bias: vec![],
        time_major,
        reverse: false,
        keep: true,
    };
    for gate in 0..4 {
        let input = op.matrix(1 + gate, [units, inputs], "input weights")?;
        let recurrent = op.matrix(5 + gate, [units, units], "recurrent weights")?;
        weights.bias.extend(op.bias(12 + gate, bias_ty, units, x.scale() * f64::from(input.scale), "bias")?);
        weights.input_weights.extend(input.values);
        weights.input_scales.push(input.scale);
        weights.recurrent_weights.extend(recurrent.values);
        weights.recurrent_scales.push(recurrent.scale);
    }
    op.push_with_states(NodeOp::Lstm { weights, cell_clip }, &[&x], vec![hidden.id, cell.id], &y);
    Ok(())
}
