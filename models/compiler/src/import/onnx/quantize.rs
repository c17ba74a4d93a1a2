//! QuantizeLinear and DequantizeLinear: where float operators become integer nodes.

use std::rc::Rc;

use tanbo_quant::{Multiplier, Rounding, requantize};

use super::builder::NewQuant;
use super::constant::{Constant, Data, Dequantized, type_name};
use super::proto::Op;
use super::value::{Border, Move, Pending, Quant, Table, Value, View};
use super::{Importer, QUANTIZE_ALL, Res};
use crate::error::{CompileError, CompileErrorKind};
use crate::graph::{Clamp, NodeOp};
use crate::nonlinear;
use tanbo_format::ElementType;

/// ONNX's numbers of the element types of zero points.
const UINT8: i64 = 2;
const INT8: i64 = 3;
const INT16: i64 = 5;

/// Scale, zero point and type of a QuantizeLinear or DequantizeLinear.
struct Parameters {
    scales: Vec<f32>,
    zero_points: Option<Rc<Constant>>,
}

impl Importer {
    fn parameters(&self, op: &Op) -> Res<Parameters> {
        if op.int("block_size", 0)? != 0 {
            return Err(op.unsupported(
                "it quantizes in blocks",
                "quantize per tensor or per channel (quantize_static does, without block_size)",
            ));
        }
        const FLOAT: i64 = 1;
        if op.int("precision", 0)? > FLOAT
            || (op.proto.op_type == "DequantizeLinear" && op.int("output_dtype", 0)? > FLOAT)
        {
            return Err(op.unsupported("it computes in another type than float32", "quantize the float32 model"));
        }
        let scale = self.constant(op, 1)?;
        let Data::F32(scales) = &scale.data else {
            return Err(op.unsupported(
                format!("its scale is {}", scale.data.type_name()),
                "quantize the float32 model: scales are float32",
            ));
        };
        if scales.is_empty() || scales.iter().any(|s| !(s.is_finite() && *s > 0.0)) {
            return Err(op.inconsistent("a scale is not a positive number"));
        }
        let zero_points = match op.input_name(2) {
            // One for all channels.
            Some(_) => match self.constant(op, 2)? {
                one if one.data.len() == 1 => one.picked(scale.shape.clone(), &vec![0; scales.len()]).map(Rc::new),
                each => Some(each),
            },
            None => None,
        };
        if zero_points.as_ref().is_some_and(|z| z.data.len() != scales.len() && !matches!(z.data, Data::Other(_))) {
            return Err(op.inconsistent("it has not as many zero points as scales"));
        }
        Ok(Parameters { scales: scales.clone(), zero_points })
    }

    /// Returns the quantization and whether it is unsigned, of an activation; where the zero point does not tell, it is
    /// of the type given.
    fn activation_quant(&self, op: &Op, unsigned_default: bool, default: ElementType) -> Res<(Quant, bool)> {
        let parameters = self.parameters(op)?;
        let [scale] = parameters.scales.as_slice() else {
            return Err(op.unsupported(
                "it quantizes an activation per channel",
                "quantize activations per tensor (quantize_static always does)",
            ));
        };
        let (zero_point, unsigned, ty) = match parameters.zero_points.as_deref().map(|z| &z.data) {
            None => (0, unsigned_default, default),
            Some(Data::I8(z)) => (z.first().map_or(0, |&z| i32::from(z)), false, ElementType::I8),
            Some(Data::U8(z)) => (z.first().map_or(0, |&z| i32::from(z)), true, ElementType::I8),
            Some(Data::I16(z)) if z.iter().all(|&z| z == 0) => (0, false, ElementType::I16),
            Some(Data::I16(_)) => {
                return Err(op.unsupported(
                    "its int16 activation has another zero point than 0",
                    "quantize int16 activations symmetrically (extra option ActivationSymmetric)",
                ));
            }
            Some(other) => {
                return Err(op.unsupported(
                    format!("its activation is {}", other.type_name()),
                    "quantize activations to int8, uint8 or int16 (activation_type=QuantType.QInt8)",
                ));
            }
        };
        let zero_point = if unsigned { zero_point - 128 } else { zero_point };
        Ok((Quant { scale: *scale, zero_point, ty }, unsigned))
    }

    pub(super) fn dequantize_linear(&mut self, op: &Op) -> Res<Value> {
        match self.input(op, 0)? {
            Value::Constant(constant) => self.dequantize_constant(op, &constant),
            Value::Integer { view, unsigned } => {
                let ty = self.builder.quant(view.tensor).map_or(ElementType::I8, |known| known.ty);
                let (quant, of_unsigned) = self.activation_quant(op, unsigned, ty)?;
                if of_unsigned != unsigned || quant.ty != ty {
                    return Err(op.inconsistent("its zero point is not of its input's type"));
                }
                let view = self.builder.with_quant(&view, quant, &op.place)?;
                Ok(Value::Table(Table::dequantized(view, quant)))
            }
            product @ Value::Pending(_) => {
                // The int32 sums of an integer product: their scale is a factor.
                let parameters = self.parameters(op)?;
                let symmetric = match parameters.zero_points.as_deref().map(|z| &z.data) {
                    None => true,
                    Some(Data::I32(z)) => z.iter().all(|&z| z == 0),
                    Some(_) => false,
                };
                let mut shape = vec![1; product.shape().len()];
                let axis = channel_axis(op, shape.len())?;
                if let Some(extent) = shape.get_mut(axis) {
                    *extent = parameters.scales.len();
                }
                let scales = Value::Constant(Rc::new(Constant { shape, data: Data::F32(parameters.scales) }));
                let scaled = if symmetric { self.scaled(op, &product, &scales, false) } else { None };
                scaled.ok_or_else(|| op.inconsistent("its input is not an integer tensor"))
            }
            _ => Err(op.inconsistent("its input is not an integer tensor")),
        }
    }

    fn dequantize_constant(&mut self, op: &Op, constant: &Constant) -> Res<Value> {
        self.spend(constant.data.len(), &op.place)?;
        let parameters = self.parameters(op)?;
        let axis = channel_axis(op, constant.shape.len())?;
        check_channels(op, &parameters.scales, &constant.shape, axis)?;
        let zero_points: Vec<i32> = match (parameters.zero_points.as_deref().map(|z| &z.data), &constant.data) {
            (None, _) => vec![0; parameters.scales.len()],
            (Some(Data::I4(z)), Data::I4(_)) | (Some(Data::I8(z)), Data::I8(_)) => {
                z.iter().map(|&z| z.into()).collect()
            }
            (Some(Data::U4(z)), Data::U4(_)) | (Some(Data::U8(z)), Data::U8(_)) => {
                z.iter().map(|&z| z.into()).collect()
            }
            (Some(Data::I16(z)), Data::I16(_)) => z.iter().map(|&z| z.into()).collect(),
            (Some(Data::I32(z)), Data::I32(_)) if z.iter().all(|&z| z == 0) => z.clone(),
            (Some(z), data) => {
                return Err(op.unsupported(
                    format!("a constant of {} with zero points of {}", data.type_name(), z.type_name()),
                    "use int4, int8 or unsigned weights with zero points of their type, and int32 biases with zero point 0",
                ));
            }
        };
        let integers: Vec<i32> = match &constant.data {
            Data::I4(v) | Data::I8(v) => v.iter().map(|&x| x.into()).collect(),
            Data::U4(v) | Data::U8(v) => v.iter().map(|&x| x.into()).collect(),
            Data::I16(v) => v.iter().map(|&x| x.into()).collect(),
            Data::I32(v) => v.clone(),
            other => {
                return Err(op.unsupported(
                    format!("its constant is {}", other.type_name()),
                    "use weights of int4, int8 or their unsigned forms, and int32 biases",
                ));
            }
        };
        let inner: usize = constant.shape.iter().skip(axis + 1).product();
        let zero_of = |i: usize| zero_points.get(i / inner.max(1) % zero_points.len().max(1)).copied().unwrap_or(0);
        let centered = if zero_points.iter().all(|&z| z == 0) {
            integers
        } else {
            integers.iter().enumerate().map(|(i, &q)| q - zero_of(i)).collect()
        };
        let zero_point = match zero_points.as_slice() {
            [z] if matches!(constant.data, Data::U8(_)) => z - 128,
            [z] => *z,
            _ => 0,
        };
        let four_bits =
            matches!(constant.data, Data::I4(_) | Data::U4(_)) && centered.iter().all(|c| (-8..=7).contains(c));
        Ok(Value::Dequantized(Rc::new(Dequantized {
            shape: constant.shape.clone(),
            centered,
            scales: parameters.scales,
            axis,
            zero_point,
            four_bits,
        })))
    }

    pub(super) fn quantize_linear(&mut self, op: &Op) -> Res<Value> {
        let input = self.input(op, 0)?;
        if let Value::Constant(constant) = &input {
            return self.quantize_constant(op, constant);
        }
        let (unsigned, ty) = match op.int("output_dtype", 0)? {
            0 | UINT8 => (true, ElementType::I8),
            INT8 => (false, ElementType::I8),
            INT16 => (false, ElementType::I16),
            other => {
                return Err(op.unsupported(
                    format!("it quantizes to {}", type_name(i32::try_from(other).unwrap_or(-1))),
                    "quantize activations to int8, uint8 or int16 (activation_type=QuantType.QInt8)",
                ));
            }
        };
        let (quant, unsigned) = self.activation_quant(op, unsigned, ty)?;
        let name = op.output_name(0)?;
        let view = self.materialize(&input, quant, name, &op.place)?;
        Ok(Value::Integer { view, unsigned })
    }

    /// Quantizes a constant, as ONNX Runtime would on loading.
    fn quantize_constant(&mut self, op: &Op, constant: &Constant) -> Res<Value> {
        self.spend(constant.data.len(), &op.place)?;
        let Data::F32(reals) = &constant.data else {
            return Err(op.unsupported(
                format!("it quantizes a constant of {}", constant.data.type_name()),
                "keep float32 before quantizing",
            ));
        };
        let parameters = self.parameters(op)?;
        let axis = channel_axis(op, constant.shape.len())?;
        check_channels(op, &parameters.scales, &constant.shape, axis)?;
        let inner: usize = constant.shape.iter().skip(axis + 1).product::<usize>().max(1);
        let channels = parameters.scales.len();
        let quantized = |zero_points: Vec<i32>, low: i32, high: i32| -> Vec<i32> {
            let at = |i: usize| i / inner % channels.max(1);
            let quantize = |(i, &real): (usize, &f32)| {
                let scale = parameters.scales.get(at(i)).copied().unwrap_or(1.0);
                tanbo_quant::quantize(real, scale, zero_points.get(at(i)).copied().unwrap_or(0), low, high)
            };
            reals.iter().enumerate().map(quantize).collect()
        };
        let data = match parameters.zero_points.as_deref().map(|z| &z.data) {
            None => Data::U8(quantized(vec![0; channels], 0, 255).iter().map(|&q| q as u8).collect()),
            Some(Data::U8(z)) => {
                Data::U8(quantized(z.iter().map(|&z| z.into()).collect(), 0, 255).iter().map(|&q| q as u8).collect())
            }
            Some(Data::I4(z)) => {
                let zero_points = z.iter().map(|&z| z.into()).collect();
                Data::I4(quantized(zero_points, -8, 7).iter().map(|&q| q as i8).collect())
            }
            Some(Data::U4(z)) => {
                let zero_points = z.iter().map(|&z| z.into()).collect();
                Data::U4(quantized(zero_points, 0, 15).iter().map(|&q| q as u8).collect())
            }
            Some(Data::I8(z)) => {
                let zero_points = z.iter().map(|&z| z.into()).collect();
                Data::I8(quantized(zero_points, -128, 127).iter().map(|&q| q as i8).collect())
            }
            Some(Data::I16(z)) => {
                let zero_points = z.iter().map(|&z| z.into()).collect();
                Data::I16(quantized(zero_points, -32768, 32767).iter().map(|&q| q as i16).collect())
            }
            Some(other) => {
                return Err(op.unsupported(
                    format!("it quantizes a constant to {}", other.type_name()),
                    "quantize weights to int8",
                ));
            }
        };
        Ok(Value::Constant(Rc::new(Constant { shape: constant.shape.clone(), data })))
    }

    /// Returns the integers of a float value in the quantization `quant`.
    pub(super) fn materialize(&mut self, value: &Value, quant: Quant, name: &str, place: &str) -> Res<View> {
        // Concats of Concats quantize the same parts over and over.
        self.spend(value.held(), place)?;
        match value {
            Value::Real(view) => {
                if self.builder.set_quant(view.tensor, quant) {
                    return Ok(view.clone());
                }
                Err(CompileError::new(
                    CompileErrorKind::Unsupported,
                    place,
                    "a float input is quantized in two different ways",
                    "quantize each input once (quantize_static does)",
                ))
            }
            Value::Table(table) => self.materialize_table(table, quant, name, place),
            Value::Pending(pending) => self.materialize_pending(pending, quant, name, place),
            Value::Dequantized(constant) => {
                let integers = quant.bytes(constant.reals().iter().map(|&real| quant.quantize(real)));
                self.constant_view(&constant.shape, integers, quant, name, place)
            }
            Value::Constant(constant) => match &constant.data {
                Data::F32(reals) => {
                    let integers = quant.bytes(reals.iter().map(|&real| quant.quantize(real)));
                    self.constant_view(&constant.shape, integers, quant, name, place)
                }
                other => Err(CompileError::new(
                    CompileErrorKind::Inconsistent,
                    place,
                    format!("it quantizes a constant of {}", other.type_name()),
                    "check the model with onnx.checker.check_model(model, full_check=True)",
                )),
            },
            Value::Integer { .. } => Err(CompileError::new(
                CompileErrorKind::Inconsistent,
                place,
                "it quantizes a tensor that is an integer already",
                "check the model with onnx.checker.check_model(model, full_check=True)",
            )),
        }
    }

    fn constant_view(&mut self, shape: &[usize], data: Vec<u8>, quant: Quant, name: &str, place: &str) -> Res<View> {
        self.spend(data.len(), place)?;
        let tensor = self.builder.constant(name, shape.to_vec(), quant, data, place)?;
        Ok(View::plain(tensor, shape.to_vec()))
    }

    /// Emits a function of one integer: nothing if it is the identity, a Requantize if that gives the
    /// same values, else a table. With int16 on a side, the same values means at most one step away.
    pub(super) fn materialize_table(&mut self, table: &Table, quant: Quant, name: &str, place: &str) -> Res<View> {
        self.spend_table(table.quant, place)?;
        let integers: Vec<i32> = table.values().iter().map(|&real| quant.quantize(real)).collect();
        self.integer_function(&table.view, table.quant, &integers, quant, name, place)
    }

    fn integer_function(
        &mut self,
        view: &View,
        from: Quant,
        integers: &[i32],
        quant: Quant,
        name: &str,
        place: &str,
    ) -> Res<View> {
        if from.ty == quant.ty && integers.iter().copied().eq(from.integers()) {
            return self.builder.with_quant(view, quant, place);
        }
        let input = self.builder.with_quant(view, from, place)?.tensor;
        let (least, greatest) = quant.ty.range();
        let low = integers.iter().copied().min().unwrap_or(least);
        let high = integers.iter().copied().max().unwrap_or(greatest);
        let apart = u32::from([from.ty, quant.ty].contains(&ElementType::I16));
        let linear = Multiplier::from_real(f64::from(from.scale) / f64::from(quant.scale)).is_some_and(|m| {
            let of = |q| requantize(q - from.zero_point, m, Rounding::Single, quant.zero_point, low, high);
            integers.iter().zip(from.integers()).all(|(&y, q)| y.abs_diff(of(q)) <= apart)
        });
        let op = match (from.ty, quant.ty) {
            _ if linear => NodeOp::Requantize { clamp: Clamp { low, high } },
            (ElementType::I8, ElementType::I8) => NodeOp::Lut { table: nonlinear::tabulate_integers(integers) },
            (ElementType::I16, ElementType::I16) => {
                let (interpolated_bits, table) = nonlinear::wide::interpolated(integers);
                NodeOp::LutI16 { interpolated_bits, table }
            }
            _ => {
                return Err(CompileError::new(
                    CompileErrorKind::Unsupported,
                    place,
                    format!("a function goes from {} to {}", from.ty.name(), quant.ty.name()),
                    "quantize both sides of the function to one type",
                ));
            }
        };
        let shape = self.builder.shape(input);
        let tensor = self.builder.node(place, name, op, vec![input], shape, NewQuant::Is(quant))?;
        Ok(View { tensor, ..view.clone() })
    }

    /// Returns an integer tensor of which the table is the dequantization. A function whose values all
    /// lie on its own tensor's grid (a Relu between DequantizeLinear and the operator) becomes a node.
    pub(super) fn linear(&mut self, table: &Table, place: &str) -> Res<(View, Quant)> {
        let quant = table.quant;
        if table.is_linear() {
            return Ok((self.builder.with_quant(&table.view, quant, place)?, quant));
        }
        self.spend_table(quant, place)?;
        let values = table.values();
        let integers: Vec<i32> = values.iter().map(|&real| quant.quantize(real)).collect();
        if integers.iter().zip(values.iter()).any(|(&nearest, &real)| quant.dequantize(nearest) != real) {
            return Err(CompileError::new(
                CompileErrorKind::Unsupported,
                place,
                "it reads a function computed in float: no QuantizeLinear stands between",
                QUANTIZE_ALL,
            ));
        }
        let name = format!("{}/on_grid", self.builder.name(table.view.tensor));
        let view = self.integer_function(&table.view, quant, &integers, quant, &name, place)?;
        Ok((view, quant))
    }
}

pub(super) fn clip(real: f32, low: f32, high: f32) -> f32 {
    real.max(low).min(high)
}

/// Returns a float value limited to `[low, high]`.
pub(super) fn clipped(value: &Value, low: f32, high: f32) -> Value {
    match value {
        Value::Table(table) if (low, high) != (f32::NEG_INFINITY, f32::INFINITY) => {
            Value::Table(table.map(|real| clip(real, low, high)))
        }
        Value::Pending(pending) => {
            let mut pending = Pending::clone(pending);
            pending.low = clip(pending.low, low, high);
            pending.high = clip(pending.high, low, high);
            for step in &mut pending.moves {
                if let Move::Pad { border: Border::Real(real), .. } = step {
                    *real = clip(*real, low, high);
                }
            }
            Value::Pending(Rc::new(pending))
        }
        Value::Dequantized(constant) if (low, high) != (f32::NEG_INFINITY, f32::INFINITY) => {
            let reals = constant.reals().iter().map(|&real| clip(real, low, high)).collect();
            Value::Constant(Rc::new(Constant { shape: constant.shape.clone(), data: Data::F32(reals) }))
        }
        Value::Constant(constant) => match &constant.data {
            Data::F32(reals) => {
                let reals = reals.iter().map(|&real| clip(real, low, high)).collect();
                Value::Constant(Rc::new(Constant { shape: constant.shape.clone(), data: Data::F32(reals) }))
            }
            _ => value.clone(),
        },
        other => other.clone(),
    }
}

/// Returns the axis attribute of per-channel quantization.
fn channel_axis(op: &Op, rank: usize) -> Res<usize> {
    let axis = op.int("axis", 1)?;
    let full = i64::try_from(rank).unwrap_or(0);
    let axis = if axis < 0 { axis + full } else { axis };
    // Per-tensor scales leave the default axis, which a vector does not have.
    Ok(usize::try_from(axis).unwrap_or(0).min(rank.saturating_sub(1)))
}

fn check_channels(op: &Op, scales: &[f32], shape: &[usize], axis: usize) -> Res<()> {
    if scales.len() > 1 && shape.get(axis) != Some(&scales.len()) {
        return Err(op.inconsistent(format!("{} scales along axis {axis} of shape {shape:?}", scales.len())));
    }
    Ok(())
}
