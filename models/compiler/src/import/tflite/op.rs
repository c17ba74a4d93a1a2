//! One operator of the file being imported: its operands with their checks, its results, its refusals.

use super::context::{Activation, Context, Value, describe};
use super::source::{SourceOperator, SourceTensor, Type};
use crate::error::{CompileError, CompileErrorKind};
use crate::graph::{Bias, Clamp, Node, NodeOp, TensorId, Weights};
use crate::nonlinear::Quantization;
use tanbo_format::ElementType;
use tanbo_quant::Rounding;

/// A constant with its scales and zero points.
pub struct Constant<'a> {
    pub shape: Vec<usize>,
    pub bytes: &'a [u8],
    pub scales: Vec<f32>,
    pub zero_points: Vec<i64>,
}

/// A filter as the file has it.
pub struct Filter {
    pub values: Vec<i8>,
    pub scales: Vec<f32>,
    pub shape: Vec<usize>,
    /// Held in four bits each.
    pub four_bits: bool,
}

/// One operator being imported.
pub struct Op<'c, 'a> {
    pub context: &'c mut Context<'a>,
    pub source: &'a SourceOperator<'a>,
}

impl<'c, 'a> Op<'c, 'a> {
    /// Returns the view of `source`.
    pub fn new(context: &'c mut Context<'a>, source: &'a SourceOperator<'a>) -> Self {
        Self { context, source }
    }

    // Refusals.

    /// Returns the refusal of a sound operator that cannot be run exactly.
    pub fn unsupported(&self, reason: impl Into<String>, remedy: impl Into<String>) -> CompileError {
        CompileError::new(CompileErrorKind::Unsupported, &self.source.place, reason, remedy)
    }

    /// Returns the refusal of an operator whose parts contradict one another.
    pub fn inconsistent(&self, reason: impl Into<String>) -> CompileError {
        CompileError::new(CompileErrorKind::Inconsistent, &self.source.place, reason, "convert the model again")
    }

    /// Fails unless the operator has between `least` and `most` operands and `outputs` results.
    pub fn arity(&self, least: usize, most: usize, outputs: usize) -> Result<(), CompileError> {
        let (inputs, found) = (self.source.inputs.len(), self.source.outputs.len());
        if !(least..=most).contains(&inputs) || found != outputs {
            return Err(self.inconsistent(format!("it has {inputs} operands and {found} results")));
        }
        Ok(())
    }

    /// Returns the options, which the operator cannot do without.
    pub fn options<T: super::schema::OptionsTable<'a>>(&self) -> Result<T, CompileError> {
        self.source.table.options()?.ok_or_else(|| self.inconsistent("its options are missing"))
    }

    // Operands.

    pub fn operand(&self, i: usize) -> Result<usize, CompileError> {
        let operand = self.source.inputs.get(i).copied().flatten();
        operand.ok_or_else(|| self.inconsistent(format!("operand {i} is missing")))
    }

    /// Returns whether operand `i` is there.
    pub fn has(&self, i: usize) -> bool {
        self.source.inputs.get(i).copied().flatten().is_some()
    }

    /// Returns operand `i` as an int8 activation, which may be a constant.
    pub fn activation(&mut self, i: usize) -> Result<Activation, CompileError> {
        let index = self.operand(i)?;
        let ty = self.context.tensor(index)?.ty;
        if ty != Type::I8 {
            return Err(self.not_int8(index, ty));
        }
        self.any_activation(i)
    }

    /// Returns operand `i` as an int8 or int16 activation, which may be a constant: for operators that exist in both.
    pub fn wide_activation(&mut self, i: usize) -> Result<Activation, CompileError> {
        let index = self.operand(i)?;
        if self.context.tensor(index)?.ty != Type::I16 {
            return self.activation(i);
        }
        let activation = self.any_activation(i)?;
        self.symmetric(&activation)?;
        Ok(activation)
    }

    /// Fails unless the zero point of an int16 activation is 0.
    fn symmetric(&self, activation: &Activation) -> Result<(), CompileError> {
        let zero_point = activation.quantization.zero_point;
        if activation.ty == ElementType::I16 && zero_point != 0 {
            return Err(self.unsupported(
                format!("an int16 activation has zero point {zero_point}, which the kernels take for 0"),
                "quantize int16 activations symmetrically",
            ));
        }
        Ok(())
    }

    fn not_int8(&self, index: usize, ty: Type) -> CompileError {
        let tensor = self.context.tensor(index).map_or_else(|e| e.place, |t| t.place.clone());
        let remedy = match ty {
            Type::F32 | Type::Other(_) => {
                "quantize the whole model to int8: representative dataset, `TFLITE_BUILTINS_INT8`"
            }
            Type::U8 => "convert again with a converter of 2020 or later, which quantizes to int8",
            Type::I16 => "keep this operator in int8, or replace it by one that exists in int16",
            _ => "quantize activations to int8",
        };
        self.unsupported(format!("{tensor} is {}; this operator runs in int8 only", ty.name()), remedy)
    }

    /// Returns operand `i` as a quantized activation of any type, which may be a constant.
    pub fn any_activation(&mut self, i: usize) -> Result<Activation, CompileError> {
        let index = self.operand(i)?;
        let tensor = self.context.tensor(index)?;
        match self.context.value(index) {
            Some(Value::Quantized(id)) => Ok(Activation { id, ..describe(tensor)? }),
            Some(Value::Handle(_) | Value::State) => Err(self.is_variable(tensor)),
            Some(Value::FloatInput(_) | Value::Foreign | Value::Dequantized(_)) => Err(self.not_int8(index, tensor.ty)),
            None if tensor.variable => Err(self.is_variable(tensor)),
            None => {
                let Some(bytes) = tensor.data else {
                    return Err(self.inconsistent(format!("{} is read before anything writes it", tensor.place)));
                };
                let activation = describe(tensor)?;
                if tensor.ty == Type::U8 {
                    return Err(self.not_int8(index, tensor.ty));
                }
                self.expect_length(tensor, bytes, &activation.shape, 8 * activation.ty.bytes())?;
                self.context.charge(bytes.len(), &tensor.place)?;
                let activation = self.context.add(tensor.name, activation, Some(bytes.to_vec()));
                self.context.set(index, Value::Quantized(activation.id));
                Ok(activation)
            }
        }
    }

    fn is_variable(&self, tensor: &SourceTensor) -> CompileError {
        self.unsupported(
            format!("{} is a variable, and this operator is none that keeps one", tensor.place),
            "keep values between runs by variables of the model (VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE)",
        )
    }

    fn expect_length(
        &self,
        tensor: &SourceTensor,
        bytes: &[u8],
        shape: &[usize],
        element_bits: usize,
    ) -> Result<(), CompileError> {
        let expected = shape.iter().product::<usize>().saturating_mul(element_bits).div_ceil(8);
        if bytes.len() != expected {
            return Err(CompileError::new(
                CompileErrorKind::Inconsistent,
                &tensor.place,
                format!("its buffer has {} bytes, its shape asks for {expected}", bytes.len()),
                "convert the model again",
            ));
        }
        Ok(())
    }

    /// Returns operand `i`, which must be a constant of type `ty`.
    pub fn constant(&self, i: usize, ty: Type, what: &str) -> Result<Constant<'a>, CompileError> {
        let index = self.operand(i)?;
        let tensor = self.context.tensor(index)?;
        let (Some(bytes), None) = (tensor.data, self.written(index)) else {
            if tensor.data.is_none() && self.context.value(index).is_none() {
                return Err(self.inconsistent(format!("its {what} ({}) has no bytes in the file", tensor.place)));
            }
            return Err(self.unsupported(
                format!("its {what} ({}) is computed by the model", tensor.place),
                format!("convert the model with a constant {what}"),
            ));
        };
        if tensor.ty != ty {
            return Err(self.unsupported(
                format!("its {what} ({}) is {}, not {}", tensor.place, tensor.ty.name(), ty.name()),
                "quantize the model to int8 with int8 weights and int32 biases",
            ));
        }
        let shape = tensor.shape()?;
        let element_bits = match ty {
            Type::I4 => 4,
            Type::I8 | Type::U8 => 8,
            Type::I16 => 16,
            Type::I64 => 64,
            _ => 32,
        };
        self.expect_length(tensor, bytes, &shape, element_bits)?;
        let (scales, zero_points) = tensor.quantization()?;
        Ok(Constant { shape, bytes, scales, zero_points })
    }

    /// What an operator or the caller writes to a tensor, if anything.
    fn written(&self, index: usize) -> Option<()> {
        match self.context.value(index)? {
            Value::Quantized(id) if self.context.is_constant(id) => None,
            _ => Some(()),
        }
    }

    /// Returns constant operand `i` as integers: axes, shapes, borders.
    pub fn integers(&self, i: usize, what: &str) -> Result<Vec<i64>, CompileError> {
        /// More entries than any list of axes, extents or sizes needs.
        const MOST: usize = 1 << 12;
        let ty = self.context.tensor(self.operand(i)?)?.ty;
        let constant = self.constant(i, if ty == Type::I64 { ty } else { Type::I32 }, what)?;
        if constant.bytes.len() > MOST {
            return Err(self.inconsistent(format!("its {what} has {} bytes", constant.bytes.len())));
        }
        Ok(if ty == Type::I64 {
            constant.bytes.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect()
        } else {
            words(constant.bytes).into_iter().map(i64::from).collect()
        })
    }

    /// Returns shape and values of constant operand `i`, a list of positions.
    pub fn index_list(&mut self, i: usize) -> Result<(Vec<usize>, Vec<i64>), CompileError> {
        let ty = self.context.tensor(self.operand(i)?)?.ty;
        let constant = self.constant(i, if ty == Type::I64 { ty } else { Type::I32 }, "list of indices")?;
        self.context.charge(constant.bytes.len(), &self.source.place)?;
        let values = if ty == Type::I64 {
            constant.bytes.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect()
        } else {
            words(constant.bytes).into_iter().map(i64::from).collect()
        };
        Ok((constant.shape, values))
    }

    /// Fails if constants of `bytes` more are too much.
    pub fn charge(&mut self, bytes: usize) -> Result<(), CompileError> {
        self.context.charge(bytes, &self.source.place)
    }

    /// Returns operand `i`, an axis of a tensor with `rank` axes; negative ones count from the end.
    pub fn axis_operand(&self, i: usize, rank: usize) -> Result<usize, CompileError> {
        match self.integers(i, "axis")?.as_slice() {
            &[axis] => self.axis(axis, rank),
            axes => Err(self.inconsistent(format!("it has {} axes instead of one", axes.len()))),
        }
    }

    /// Returns `axis` of a tensor with `rank` axes; negative ones count from the end.
    pub fn axis(&self, axis: i64, rank: usize) -> Result<usize, CompileError> {
        let counted = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
        let counted = usize::try_from(counted).ok().filter(|&a| a < rank);
        counted.ok_or_else(|| self.inconsistent(format!("axis {axis} of {rank}")))
    }

    /// Returns the filter in operand 1.
    ///
    /// One scale or one per channel, of which there are as many as the filter has along `channel_axis`.
    pub fn filter(&mut self, rank: usize, channel_axis: usize) -> Result<Filter, CompileError> {
        let four_bits = self.context.tensor(self.operand(1)?)?.ty == Type::I4;
        let constant = self.constant(1, if four_bits { Type::I4 } else { Type::I8 }, "filter")?;
        if constant.shape.len() != rank {
            return Err(self.inconsistent(format!("its filter has {} axes, not {rank}", constant.shape.len())));
        }
        let channels = constant.shape.get(channel_axis).copied().unwrap_or_default();
        if constant.scales.len() != 1 && constant.scales.len() != channels {
            return Err(
                self.inconsistent(format!("its filter has {} scales for {channels} channels", constant.scales.len()))
            );
        }
        if let Some(zero_point) = constant.zero_points.iter().find(|&&z| z != 0) {
            return Err(self.unsupported(
                format!("its filter has zero point {zero_point}"),
                "quantize weights symmetrically: zero point 0",
            ));
        }
        let count: usize = constant.shape.iter().product();
        self.context.charge(count, &self.source.place)?;
        let bytes = constant.bytes.iter().map(|&byte| byte as i8);
        let values = if four_bits {
            bytes.flat_map(|byte| [byte << 4 >> 4, byte >> 4]).take(count).collect()
        } else {
            bytes.collect()
        };
        Ok(Filter { values, scales: constant.scales, shape: constant.shape, four_bits })
    }

    /// Returns `filter` with the bias in operand `i`, which may be left out, for `channels` outputs.
    pub fn weights(
        &mut self,
        filter: Filter,
        i: usize,
        channels: usize,
        x: &Activation,
        y: &Activation,
    ) -> Result<Weights, CompileError> {
        let Filter { values: data, scales, four_bits, .. } = filter;
        if four_bits && x.ty == ElementType::I16 {
            return Err(self.unsupported(
                "TensorFlow Lite Micro has no kernel for an INT4 filter with int16 activations",
                "quantize the filter to INT8",
            ));
        }
        if !self.has(i) {
            let wide = x.ty == ElementType::I16;
            let bias = if wide { Bias::I64(vec![0; channels]) } else { Bias::I32(vec![0; channels]) };
            return Ok(Weights { data, scales, bias, four_bits });
        }
        let constant = self.constant(i, self.bias_type(i, x)?, "bias")?;
        if constant.shape.iter().product::<usize>() != channels {
            return Err(self.inconsistent(format!("its bias has shape {:?} for {channels} channels", constant.shape)));
        }
        if constant.zero_points.iter().any(|&z| z != 0) {
            return Err(self.inconsistent("its bias has a zero point"));
        }
        // The kernels add the bias as it is; a scale that is not the product would mean another number.
        let expected = |i: usize| x.scale() * f64::from(scales.get(i).or(scales.first()).copied().unwrap_or_default());
        if constant.scales.len() == channels || constant.scales.len() == 1 {
            for (i, &scale) in constant.scales.iter().enumerate() {
                // FULLY_CONNECTED allows for a fiftieth of an output step.
                if (f64::from(scale) - expected(i)).abs() > (0.01 * expected(i)).min(0.02 * y.scale()) {
                    return Err(self.inconsistent(format!(
                        "its bias has scale {scale}, input and filter ask for {}",
                        expected(i)
                    )));
                }
            }
        } else if !constant.scales.is_empty() {
            return Err(self.inconsistent(format!("its bias has {} scales", constant.scales.len())));
        }
        self.context.charge(constant.bytes.len(), &self.source.place)?;
        let bias = if constant.bytes.len() == 8 * channels {
            Bias::I64(constant.bytes.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect())
        } else {
            Bias::I32(words(constant.bytes))
        };
        Ok(Weights { data, scales, bias, four_bits })
    }

    /// The type that the bias in operand `i` must have: int32, and with int16 activations int64, but for CONV_2D, which takes both.
    fn bias_type(&self, i: usize, x: &Activation) -> Result<Type, CompileError> {
        if x.ty != ElementType::I16 {
            return Ok(Type::I32);
        }
        let found = self.context.tensor(self.operand(i)?)?.ty;
        match (found, self.source.name) {
            (Type::I32, "CONV_2D") => Ok(Type::I32),
            (Type::I32, _) => Err(self.unsupported(
                "its bias is int32, which the kernel of int16 activations reads as int64",
                "convert again with biases of int64 (the converter's default for 16x8 models)",
            )),
            _ => Ok(Type::I64),
        }
    }

    // Results.

    /// Returns result `j` as an int8 tensor, which must have `shape` in the file.
    pub fn output(&mut self, j: usize, shape: &[usize]) -> Result<Activation, CompileError> {
        let activation = self.any_output(j, shape)?;
        let index = self.result(j)?;
        let ty = self.context.tensor(index)?.ty;
        if ty != Type::I8 {
            return Err(self.not_int8(index, ty));
        }
        Ok(activation)
    }

    /// Returns result `j` as a tensor of the type of `x`, int8 or int16, which must have `shape` in the file.
    pub fn output_like(&mut self, j: usize, shape: &[usize], x: &Activation) -> Result<Activation, CompileError> {
        if x.ty != ElementType::I16 {
            return self.output(j, shape);
        }
        let activation = self.any_output(j, shape)?;
        if activation.ty != x.ty {
            return Err(self.unsupported(
                format!("it goes from {} to {}", x.ty.name(), activation.ty.name()),
                "convert the type with a QUANTIZE of its own",
            ));
        }
        self.symmetric(&activation)?;
        Ok(activation)
    }

    /// Returns result `j` as a quantized tensor of any type, which must have `shape` in the file.
    pub fn any_output(&mut self, j: usize, shape: &[usize]) -> Result<Activation, CompileError> {
        let index = self.fresh_result(j, shape)?;
        let tensor = self.context.tensor(index)?;
        let activation = self.context.add(tensor.name, describe(tensor)?, None);
        self.context.set(index, Value::Quantized(activation.id));
        Ok(activation)
    }

    pub fn result(&self, j: usize) -> Result<usize, CompileError> {
        let result = self.source.outputs.get(j).copied();
        result.ok_or_else(|| self.inconsistent(format!("result {j} is missing")))
    }

    /// Returns the shape of result `j` in the file.
    pub fn result_shape(&self, j: usize) -> Result<Vec<usize>, CompileError> {
        self.context.tensor(self.result(j)?)?.shape()
    }

    /// The tensor that result `j` writes: of `shape`, and written by nothing else.
    pub fn fresh_result(&self, j: usize, shape: &[usize]) -> Result<usize, CompileError> {
        let index = self.result(j)?;
        let tensor = self.context.tensor(index)?;
        if tensor.data.is_some() || self.context.value(index).is_some() {
            return Err(self.inconsistent(format!("it writes {}, which has a value already", tensor.place)));
        }
        let found = tensor.shape()?;
        if found != shape {
            return Err(self.inconsistent(format!("{} has shape {found:?}; it computes {shape:?}", tensor.place)));
        }
        Ok(index)
    }

    /// Returns a tensor that the source model does not have.
    pub fn temporary(&mut self, suffix: &str, shape: &[usize], quantization: Quantization) -> Activation {
        let name = format!("{}/{suffix}", self.source.place);
        let activation = Activation { id: 0, shape: shape.to_vec(), ty: ElementType::I8, quantization };
        self.context.add(&name, activation, None)
    }

    /// Returns a tensor that the source model does not have, with type and quantization of `x`.
    pub fn temporary_like(&mut self, suffix: &str, shape: &[usize], x: &Activation) -> Activation {
        let name = format!("{}/{suffix}", self.source.place);
        let activation = Activation { id: 0, shape: shape.to_vec(), ty: x.ty, quantization: x.quantization };
        self.context.add(&name, activation, None)
    }

    /// Adds a node.
    pub fn push(&mut self, op: NodeOp, inputs: &[&Activation], output: &Activation) {
        self.push_with_states(op, inputs, vec![], output);
    }

    /// Adds a node that reads and writes states in place.
    pub fn push_with_states(&mut self, op: NodeOp, inputs: &[&Activation], states: Vec<TensorId>, output: &Activation) {
        self.context.push(Node {
            name: self.source.place.clone(),
            op,
            inputs: inputs.iter().map(|a| a.id).collect(),
            states,
            output: output.id,
            rounding: Rounding::Tflite,
        });
    }

    /// Fails unless `x` and `y` have one scale and one zero point: the kernel moves bytes.
    pub fn same_quantization(&self, x: &Activation, y: &Activation) -> Result<(), CompileError> {
        let (a, b) = (x.quantization, y.quantization);
        if x.ty != y.ty {
            return Err(self.unsupported(
                format!("it joins {} and {}, which the operator does not convert", x.ty.name(), y.ty.name()),
                "bring all to one type with a QUANTIZE",
            ));
        }
        if a != b {
            return Err(CompileError::new(
                CompileErrorKind::Unsupported,
                &self.source.place,
                format!(
                    "operand and result differ in scale or zero point ({}, {} and {}, {}), which the operator ignores",
                    a.scale, a.zero_point, b.scale, b.zero_point
                ),
                "convert again with a converter that gives them one quantization, or quantize explicitly",
            ));
        }
        Ok(())
    }

    /// Fails unless `y` has the quantization that the kernel's arithmetic is made for.
    pub fn fixed_output(&self, y: &Activation, fixed: Quantization) -> Result<(), CompileError> {
        let found = y.quantization;
        if found != fixed {
            return Err(self.unsupported(
                format!(
                    "its result has scale {} and zero point {}; the kernel computes in {} and {}",
                    found.scale, found.zero_point, fixed.scale, fixed.zero_point
                ),
                "convert the model again with TensorFlow Lite's converter",
            ));
        }
        Ok(())
    }

    /// Returns the bounds that fused activation `code` sets for `y`.
    pub fn clamp(&self, code: i8, y: &Activation) -> Result<Clamp, CompileError> {
        let Quantization { scale, zero_point } = y.quantization;
        let full = Clamp::full(y.ty);
        // In f32, halves away from zero; the cast saturates.
        let bound = |real: f32| zero_point.saturating_add((real / scale).round() as i32).clamp(full.low, full.high);
        match code {
            0 => Ok(full),
            1 => Ok(Clamp { low: bound(0.0), ..full }),
            2 => Ok(Clamp { low: bound(-1.0), high: bound(1.0) }),
            3 => Ok(Clamp { low: bound(0.0), high: bound(6.0) }),
            _ => {
                let name = match code {
                    4 => "TANH".into(),
                    5 => "SIGN_BIT".into(),
                    _ => format!("number {code}"),
                };
                Err(self.unsupported(
                    format!("the kernels ignore its fused activation {name}"),
                    "make the activation an operator of its own",
                ))
            }
        }
    }

    // The boundary to float.

    /// QUANTIZE of a float input: result 0 becomes the input's tensor. `false` if operand 0 is no float input.
    pub fn quantize_input(&mut self) -> Result<bool, CompileError> {
        let index = self.operand(0)?;
        let Some(Value::FloatInput(position)) = self.context.value(index) else { return Ok(false) };
        let shape = self.context.tensor(index)?.shape()?;
        let result = self.fresh_result(0, &shape)?;
        let tensor = self.context.tensor(result)?;
        let wanted = describe(tensor)?;
        if tensor.ty == Type::U8 {
            return Err(self.unsupported("it quantizes float to UINT8", "quantize the input to int8"));
        }
        let id = self.context.bind_input(position, tensor.name, wanted).ok_or_else(|| {
            self.unsupported(
                "the float input is quantized a second time, with another scale",
                "convert the model with an int8 input",
            )
        })?;
        self.context.set(result, Value::Quantized(id));
        Ok(true)
    }

    /// Fails unless the kernel of QUANTIZE goes from the type of operand 0 to that of result 0.
    pub fn quantizable_types(&self) -> Result<(), CompileError> {
        let from = self.context.tensor(self.operand(0)?)?.ty;
        let to = self.context.tensor(self.result(0)?)?.ty;
        match (from, to) {
            (Type::U8, Type::U8 | Type::I16) | (Type::I16, Type::U8) => Err(self.unsupported(
                format!("the kernel does not go from {} to {}", from.name(), to.name()),
                "go by way of int8, or keep one type at the model's boundary",
            )),
            _ => Ok(()),
        }
    }

    /// DEQUANTIZE: result 0 is the float view of `x`.
    pub fn dequantize_output(&mut self, x: &Activation) -> Result<(), CompileError> {
        let index = self.fresh_result(0, &x.shape)?;
        let ty = self.context.tensor(index)?.ty;
        if ty != Type::F32 {
            return Err(self.inconsistent(format!("its result is {}", ty.name())));
        }
        self.context.set(index, Value::Dequantized(x.id));
        Ok(())
    }
}

/// Little-endian 32-bit words.
fn words(bytes: &[u8]) -> Vec<i32> {
    bytes.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b)).collect()
}
