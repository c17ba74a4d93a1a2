//! Functions of one value, and sums, differences and products.
//!
//! Whatever depends on one int8 alone (a chain of functions, a product of a value with a function of
//! it, a sum with a scalar) becomes a table of 256 float32 values, computed as ONNX Runtime does.

use std::rc::Rc;

use super::constant::{Constant, Data, Dequantized, broadcast};
use super::proto::Op;
use super::quantize::{clip, clipped};
use super::value::{Binary, Kind, Move, Operand, Table, Value};
use super::{Importer, QUANTIZE_ALL, Res};

/// A function of one float32.
type Function = Box<dyn Fn(f32) -> f32>;

impl Importer {
    /// Returns the result of a function of one value, or `None` if `op` is none.
    pub(super) fn unary(&mut self, op: &Op) -> Res<Option<Value>> {
        let limits = match op.proto.op_type.as_str() {
            "Relu" => Some((0.0, f32::INFINITY)),
            "Clip" => {
                let low = self.optional_scalar(op, 1)?.unwrap_or(f32::NEG_INFINITY);
                let high = self.optional_scalar(op, 2)?.unwrap_or(f32::INFINITY);
                if low.is_nan() || high.is_nan() {
                    return Err(op.malformed("a limit is not a number"));
                }
                Some((low, high))
            }
            _ => None,
        };
        if let Some((low, high)) = limits {
            let input = self.input(op, 0)?;
            return match input {
                Value::Table(_) | Value::Pending(_) => Ok(Some(clipped(&input, low, high))),
                Value::Integer { .. } => Err(op.unsupported(
                    "it works on integers that no DequantizeLinear scales",
                    "put it between DequantizeLinear and QuantizeLinear",
                )),
                _ => Err(op.unsupported("its input is not quantized", QUANTIZE_ALL)),
            };
        }
        if let ("PRelu", Some(slope)) = (op.proto.op_type.as_str(), self.slopes(op)?) {
            let (input, quant) = self.activation(op, 0)?;
            let shape = input.shape.clone();
            if broadcast(&shape, &slope.shape).as_ref() != Some(&shape) {
                return Err(op.inconsistent(format!("slopes of shape {:?} for {shape:?}", slope.shape)));
            }
            return self.pending(op, Kind::PRelu { input, quant, slope }, shape).map(Some);
        }
        let Some(function) = self.function(op)? else { return Ok(None) };
        match self.input(op, 0)? {
            Value::Table(table) => Ok(Some(Value::Table(table.map(function)))),
            Value::Pending(pending) => Err(op.unsupported(
                format!("its input is computed in float: no QuantizeLinear stands after {}", pending.place),
                QUANTIZE_ALL,
            )),
            _ => Err(op.unsupported("its input is not quantized", QUANTIZE_ALL)),
        }
    }

    /// Returns the slopes of a PRelu that has several.
    fn slopes(&self, op: &Op) -> Res<Option<Rc<Dequantized>>> {
        if op.proto.op_type != "PRelu" {
            return Ok(None);
        }
        Ok(match self.input(op, 1)? {
            Value::Dequantized(constant) if constant.scalar().is_none() => Some(constant),
            _ => None,
        })
    }

    /// Returns the function of `op` on float32.
    fn function(&self, op: &Op) -> Res<Option<Function>> {
        // Computed in f64 and rounded once, the float32 nearest to the truth.
        fn wide(f: impl Fn(f64) -> f64 + 'static) -> Function {
            Box::new(move |x| f(f64::from(x)) as f32)
        }
        const FRAC_1_SQRT_2: f64 = std::f64::consts::FRAC_1_SQRT_2;
        let sigmoid = |x: f64| 1.0 / (1.0 + libm::exp(-x));
        Ok(Some(match op.proto.op_type.as_str() {
            "LeakyRelu" => {
                let alpha = op.float("alpha", 0.01)?;
                Box::new(move |x| if x >= 0.0 { x } else { alpha * x })
            }
            "PRelu" => {
                let slope = self.optional_scalar(op, 1)?.ok_or_else(|| op.malformed("it has no slope"))?;
                Box::new(move |x| if x >= 0.0 { x } else { slope * x })
            }
            "ThresholdedRelu" => {
                let alpha = op.float("alpha", 1.0)?;
                Box::new(move |x| if x > alpha { x } else { 0.0 })
            }
            "HardSigmoid" => {
                let (alpha, beta) = (op.float("alpha", 0.2)?, op.float("beta", 0.5)?);
                Box::new(move |x| (alpha * x + beta).clamp(0.0, 1.0))
            }
            "HardSwish" => Box::new(|x| x * (x * (1.0 / 6.0) + 0.5).clamp(0.0, 1.0)),
            "Sigmoid" => wide(sigmoid),
            "Tanh" => wide(libm::tanh),
            "Elu" => {
                let alpha = f64::from(op.float("alpha", 1.0)?);
                wide(move |x| if x >= 0.0 { x } else { alpha * libm::expm1(x) })
            }
            "Celu" => {
                let alpha = f64::from(op.float("alpha", 1.0)?);
                wide(move |x| x.max(0.0) + (alpha * libm::expm1(x / alpha)).min(0.0))
            }
            "Selu" => {
                let alpha = f64::from(op.float("alpha", 1.673_263_2)?);
                let gamma = f64::from(op.float("gamma", 1.050_701)?);
                wide(move |x| gamma * if x > 0.0 { x } else { alpha * libm::expm1(x) })
            }
            "Softplus" => wide(|x| x.max(0.0) + libm::log1p(libm::exp(-x.abs()))),
            "Softsign" => Box::new(|x| x / (1.0 + x.abs())),
            "Mish" => wide(|x| x * libm::tanh(x.max(0.0) + libm::log1p(libm::exp(-x.abs())))),
            "Gelu" => match op.string("approximate", "none")? {
                "none" => wide(|x| 0.5 * x * (1.0 + libm::erf(x * FRAC_1_SQRT_2))),
                "tanh" => wide(|x| {
                    let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
                    0.5 * x * (1.0 + libm::tanh(inner))
                }),
                other => return Err(op.malformed(format!("approximate = {other}"))),
            },
            "Erf" => wide(libm::erf),
            "Exp" => wide(libm::exp),
            "Log" => wide(libm::log),
            "Sin" => wide(libm::sin),
            "Cos" => wide(libm::cos),
            "Tan" => wide(libm::tan),
            "Asin" => wide(libm::asin),
            "Acos" => wide(libm::acos),
            "Atan" => wide(libm::atan),
            "Sinh" => wide(libm::sinh),
            "Cosh" => wide(libm::cosh),
            "Asinh" => wide(libm::asinh),
            "Acosh" => wide(libm::acosh),
            "Atanh" => wide(libm::atanh),
            "Shrink" => {
                let (bias, lambda) = (op.float("bias", 0.0)?, op.float("lambd", 0.5)?);
                Box::new(move |x| {
                    if x < -lambda {
                        x + bias
                    } else if x > lambda {
                        x - bias
                    } else {
                        0.0
                    }
                })
            }
            "Sqrt" => Box::new(f32::sqrt),
            "Reciprocal" => Box::new(|x| 1.0 / x),
            "Abs" => Box::new(f32::abs),
            "Neg" => Box::new(|x| -x),
            "Floor" => Box::new(f32::floor),
            "Ceil" => Box::new(f32::ceil),
            "Round" => Box::new(f32::round_ties_even),
            "Sign" => Box::new(|x| {
                if x > 0.0 {
                    1.0
                } else if x < 0.0 {
                    -1.0
                } else {
                    0.0
                }
            }),
            _ => return Ok(None),
        }))
    }

    /// Returns the one value of an optional constant input.
    fn optional_scalar(&self, op: &Op, i: usize) -> Res<Option<f32>> {
        if op.input_name(i).is_none() {
            return Ok(None);
        }
        let scalar = scalar(&self.input(op, i)?);
        scalar
            .map(Some)
            .ok_or_else(|| op.unsupported(format!("its input {i} is not one constant float"), "use a constant scalar"))
    }

    /// Add, Sub, Mul, Div, Pow, Min and Max.
    pub(super) fn arithmetic(&mut self, op: &Op) -> Res<Value> {
        let kind = op.proto.op_type.as_str();
        if let "Min" | "Max" = kind
            && op.proto.input.len() != 2
        {
            return self.extremum_of_many(op);
        }
        let (a, b) = (self.input(op, 0)?, self.input(op, 1)?);
        if op.proto.input.len() != 2 {
            return Err(op.unsupported(
                format!("it has {} inputs, not 2", op.proto.input.len()),
                "use a chain of two-input nodes",
            ));
        }
        if let Some(folded) = super::moves::fold_integers(op, &a, &b)? {
            return Ok(folded);
        }
        if kind == "Add" {
            if let Some(sum) = self.add_bias(op, &a, &b)? {
                return Ok(sum);
            }
            if let Some(sum) = self.add_bias(op, &b, &a)? {
                return Ok(sum);
            }
        }
        let product = match kind {
            "Mul" => self.scaled(op, &a, &b, false).or_else(|| self.scaled(op, &b, &a, false)),
            "Div" => self.scaled(op, &a, &b, true),
            _ => None,
        };
        if let Some(product) = product {
            return Ok(product);
        }
        let shape = broadcast(a.shape(), b.shape())
            .ok_or_else(|| op.inconsistent(format!("shapes {:?} and {:?} do not broadcast", a.shape(), b.shape())))?;
        let function = float_function(op)?;
        if let Some(folded) = fold_floats(&a, &b, function) {
            return Ok(folded);
        }
        if let Some(table) = same_source(&a, &b, &shape, function) {
            return Ok(Value::Table(table));
        }
        let limit = match (kind, scalar(&a), scalar(&b)) {
            ("Min" | "Max", Some(limit), None) => Some((&b, limit)),
            ("Min" | "Max", None, Some(limit)) => Some((&a, limit)),
            _ => None,
        };
        if let Some((value @ Value::Pending(_), limit)) = limit
            && value.shape() == shape
            && !limit.is_nan()
        {
            let (low, high) = if kind == "Min" { (f32::NEG_INFINITY, limit) } else { (limit, f32::INFINITY) };
            return Ok(clipped(value, low, high));
        }
        if let "Min" | "Max" = kind {
            for value in [&a, &b] {
                if let Value::Integer { .. } | Value::Real(_) = value {
                    return Err(op.unsupported("an input is not dequantized", QUANTIZE_ALL));
                }
            }
            return self.pending(op, Kind::Extremum { parts: [a, b], greatest: kind == "Max" }, shape);
        }
        let binary = match kind {
            "Add" => Binary::Add,
            "Sub" => Binary::Sub,
            "Mul" => Binary::Mul,
            "Div" => Binary::Div,
            _ => {
                return Err(op.unsupported(
                    "its operands are two different tensors",
                    "only Add, Sub, Mul, Div, Min and Max of two tensors can run; use those, or a scalar constant",
                ));
            }
        };
        let inputs = [self.operand(op, 0, a)?, self.operand(op, 1, b)?];
        self.pending(op, Kind::Binary { op: binary, inputs }, shape)
    }

    pub(super) fn operand(&mut self, op: &Op, i: usize, value: Value) -> Res<Operand> {
        match value {
            Value::Dequantized(constant) => Ok(Operand::Constant(constant)),
            Value::Constant(_) => Err(op.unsupported(
                format!("its operand {i} is a constant in float"),
                "quantize it as well (quantize_static does, unless the node is excluded)",
            )),
            _ => {
                let (view, quant) = self.activation(op, i)?;
                Ok(Operand::Activation(view, quant))
            }
        }
    }

    /// Min and Max of one, or of more than two: two at a time.
    fn extremum_of_many(&mut self, op: &Op) -> Res<Value> {
        let greatest = op.proto.op_type == "Max";
        let mut value = self.input(op, 0)?;
        for i in 1..op.proto.input.len() {
            let other = self.input(op, i)?;
            let shape = broadcast(value.shape(), other.shape()).ok_or_else(|| {
                op.inconsistent(format!("shapes {:?} and {:?} do not broadcast", value.shape(), other.shape()))
            })?;
            for part in [&value, &other] {
                if let Value::Integer { .. } | Value::Real(_) = part {
                    return Err(op.unsupported("an input is not dequantized", QUANTIZE_ALL));
                }
            }
            value = self.pending(op, Kind::Extremum { parts: [value, other], greatest }, shape)?;
        }
        Ok(value)
    }

    pub(super) fn softmax(&mut self, op: &Op) -> Res<Value> {
        let (input, _) = self.activation(op, 0)?;
        // QLinearSoftmax states whose definition it follows.
        let coerced = op.int("opset", op.opset)? < 13;
        let axes = super::moves::normalized(op, &[op.int("axis", if coerced { 1 } else { -1 })?], input.shape.len())?;
        let axis = axes.first().copied().unwrap_or(0);
        let shape = input.shape.clone();
        if coerced {
            // Until operator set 12 over all axes from `axis` on, as one.
            let (outer, inner) = shape.split_at(axis);
            let flat = vec![outer.iter().product(), inner.iter().product()];
            let input = self.builder.apply(&input, &Move::Reshape(flat.clone()), &op.place)?;
            return self.wait(op, Kind::Softmax { input, axis: 1 }, flat, Move::Reshape(shape.clone()), shape);
        }
        self.pending(op, Kind::Softmax { input, axis }, shape)
    }
}

fn float_function(op: &Op) -> Res<fn(f32, f32) -> f32> {
    Ok(match op.proto.op_type.as_str() {
        "Add" => |a, b| a + b,
        "Sub" => |a, b| a - b,
        "Mul" => |a, b| a * b,
        "Div" => |a, b| a / b,
        "Pow" => |a, b| libm::pow(f64::from(a), f64::from(b)) as f32,
        "Min" => |a, b| clip(a, f32::NEG_INFINITY, b),
        "Max" => |a, b| clip(a, b, f32::INFINITY),
        other => return Err(op.malformed(format!("{other} is no arithmetic"))),
    })
}

/// Returns the result of two float constants of one shape, or of which one has one element.
fn fold_floats(a: &Value, b: &Value, f: fn(f32, f32) -> f32) -> Option<Value> {
    let (Value::Constant(a), Value::Constant(b)) = (a, b) else { return None };
    let (Data::F32(x), Data::F32(y)) = (&a.data, &b.data) else { return None };
    let (shape, values) = match (x.as_slice(), y.as_slice()) {
        (x, y) if a.shape == b.shape => (&a.shape, x.iter().zip(y).map(|(&x, &y)| f(x, y)).collect()),
        (x, &[y]) if b.shape.len() <= a.shape.len() => (&a.shape, x.iter().map(|&x| f(x, y)).collect()),
        (&[x], y) if a.shape.len() <= b.shape.len() => (&b.shape, y.iter().map(|&y| f(x, y)).collect()),
        _ => return None,
    };
    Some(Value::Constant(Rc::new(Constant { shape: shape.clone(), data: Data::F32(values) })))
}

/// Returns the only element of a constant float array.
fn scalar(value: &Value) -> Option<f32> {
    match value {
        Value::Constant(constant) => match constant.data {
            Data::F32(_) => constant.scalar_f32(),
            _ => None,
        },
        Value::Dequantized(constant) => constant.scalar(),
        _ => None,
    }
}

/// Returns the function of two tables over one tensor, or of a table and a scalar.
fn same_source(a: &Value, b: &Value, shape: &[usize], f: fn(f32, f32) -> f32) -> Option<Table> {
    match (a, b) {
        (Value::Table(x), Value::Table(y)) if x.view == y.view && x.quant == y.quant => Some(x.zip(y, f)),
        (Value::Table(x), constant) if x.view.shape == shape => scalar(constant).map(|c| x.map(|v| f(v, c))),
        (constant, Value::Table(y)) if y.view.shape == shape => scalar(constant).map(|c| y.map(|v| f(c, v))),
        _ => None,
    }
}
