//! Operators that work element by element.

use super::context::Activation;
use super::op::Op;
use super::schema::{Add, LeakyRelu, Mul, Sub};
use crate::error::CompileError;
use crate::graph::{Clamp, NodeOp};
use crate::nonlinear::{self, Quantization};
use tanbo_format::ElementType;

/// The shape of an operation on `a` and `b`, whose axes are counted from the last.
pub fn broadcast(op: &Op, a: &[usize], b: &[usize]) -> Result<Vec<usize>, CompileError> {
    let rank = a.len().max(b.len());
    let extent = |shape: &[usize], i: usize| (i + shape.len()).checked_sub(rank).and_then(|i| shape.get(i)).copied();
    (0..rank)
        .map(|i| match (extent(a, i).unwrap_or(1), extent(b, i).unwrap_or(1)) {
            (1, n) | (n, 1) => Ok(n),
            (m, n) if m == n => Ok(n),
            _ => Err(op.inconsistent(format!("shapes {a:?} and {b:?} do not broadcast"))),
        })
        .collect()
}

/// ADD, SUB, MUL.
pub fn binary(op: &mut Op) -> Result<(), CompileError> {
    op.arity(2, 2, 1)?;
    let activation = match op.source.name {
        "ADD" => op.options::<Add>()?.activation()?,
        "SUB" => op.options::<Sub>()?.activation()?,
        _ => op.options::<Mul>()?.activation()?,
    };
    let (a, b) = (op.wide_activation(0)?, op.wide_activation(1)?);
    if a.ty != b.ty {
        return Err(op.unsupported(
            format!("its operands are {} and {}", a.ty.name(), b.ty.name()),
            "bring both to one type with a QUANTIZE",
        ));
    }
    let shape = broadcast(op, &a.shape, &b.shape)?;
    let y = op.output_like(0, &shape, &a)?;
    let clamp = op.clamp(activation, &y)?;
    let node = match op.source.name {
        "ADD" => NodeOp::Add { clamp },
        "SUB" => NodeOp::Sub { clamp },
        _ => NodeOp::Mul { clamp },
    };
    if !matches!(node, NodeOp::Mul { .. }) {
        // The kernel's last multiplier must be less than one.
        let headroom = if a.ty == ElementType::I16 { 15 } else { 20 };
        let factor = 2.0 * a.scale().max(b.scale()) / (f64::from(1 << headroom) * y.scale());
        if factor >= 1.0 {
            return Err(op.unsupported(
                format!(
                    "its output scale {} is 2^{} times finer than an input scale",
                    y.quantization.scale,
                    headroom - 1
                ),
                "quantize again with representative data",
            ));
        }
    }
    op.push(node, &[&a, &b], &y);
    Ok(())
}

/// The operand and result of an operator that keeps the shape.
pub fn unary(op: &mut Op) -> Result<(Activation, Activation), CompileError> {
    op.arity(1, 1, 1)?;
    let x = op.activation(0)?;
    let y = op.output(0, &x.shape)?;
    Ok((x, y))
}

/// As [`unary`], of an operator that exists in int16 too.
fn wide_unary(op: &mut Op) -> Result<(Activation, Activation), CompileError> {
    op.arity(1, 1, 1)?;
    let x = op.wide_activation(0)?;
    let y = op.output_like(0, &x.shape, &x)?;
    Ok((x, y))
}

/// RELU on its own: the kernel requantizes.
pub fn relu(op: &mut Op) -> Result<(), CompileError> {
    let (x, y) = wide_unary(op)?;
    let clamp = op.clamp(1, &y)?;
    op.push(NodeOp::Requantize { clamp }, &[&x], &y);
    Ok(())
}

/// RELU6 on its own: the kernel only clamps.
pub fn relu6(op: &mut Op) -> Result<(), CompileError> {
    let (x, y) = wide_unary(op)?;
    op.same_quantization(&x, &y)?;
    let clamp = op.clamp(3, &y)?;
    op.push(NodeOp::Requantize { clamp }, &[&x], &y);
    Ok(())
}

/// Functions of one int8 value.
pub fn table(op: &mut Op) -> Result<(), CompileError> {
    let (x, y) = unary(op)?;
    table_of(op, &x, &y)
}

fn table_of(op: &mut Op, x: &Activation, y: &Activation) -> Result<(), CompileError> {
    let (from, to) = (x.quantization, y.quantization);
    let table = match op.source.name {
        "LOGISTIC" => {
            op.fixed_output(y, Quantization { scale: 1.0 / 256.0, zero_point: -128 })?;
            nonlinear::logistic(from)
        }
        "TANH" => {
            op.fixed_output(y, Quantization { scale: 1.0 / 128.0, zero_point: 0 })?;
            nonlinear::tanh(from)
        }
        "ELU" => nonlinear::elu(from, to),
        "HARD_SWISH" => nonlinear::hard_swish(from, to),
        _ => nonlinear::leaky_relu(from, to, op.options::<LeakyRelu>()?.alpha()?),
    };
    let table = table.ok_or_else(|| out_of_range(op, from, to))?;
    op.push(NodeOp::Lut { table }, &[x], y);
    Ok(())
}

/// LOGISTIC and TANH: tables of int8 values, or an operator of int16 ones.
pub fn sigmoid(op: &mut Op) -> Result<(), CompileError> {
    let (x, y) = wide_unary(op)?;
    if x.ty != ElementType::I16 {
        return table_of(op, &x, &y);
    }
    op.fixed_output(&y, Quantization { scale: 1.0 / 32768.0, zero_point: 0 })?;
    op.push(NodeOp::SigmoidI16 { tanh: op.source.name == "TANH" }, &[&x], &y);
    Ok(())
}

/// LEAKY_RELU: a table of int8 values. In int16 the sum of the positive part and of the negative part times the slope: one
/// of the two is zero in every element and an addition of equal scales is exact, so that the sum is the kernel's result.
pub fn leaky_relu(op: &mut Op) -> Result<(), CompileError> {
    let (x, y) = wide_unary(op)?;
    if x.ty != ElementType::I16 {
        return table_of(op, &x, &y);
    }
    let alpha = op.options::<LeakyRelu>()?.alpha()?;
    if !(alpha.is_finite() && alpha >= 0.0) {
        return Err(op.unsupported(
            format!("its slope is {alpha}; in int16 it must not be negative"),
            "replace it by the operators that it is made of",
        ));
    }
    let full = Clamp::full(y.ty);
    let positive = op.temporary_like("positive", &x.shape, &y);
    op.push(NodeOp::Requantize { clamp: Clamp { low: 0, ..full } }, &[&x], &positive);
    let negative = op.temporary_like("negative", &x.shape, &y);
    let factor = f64::from(alpha);
    op.push(NodeOp::Scale { factor, clamp: Clamp { high: 0, ..full } }, &[&x], &negative);
    op.push(NodeOp::Add { clamp: full }, &[&positive, &negative], &y);
    Ok(())
}

pub fn out_of_range(op: &Op, from: Quantization, to: Quantization) -> CompileError {
    op.unsupported(
        format!("the kernel cannot go from scale {} to scale {}", from.scale, to.scale),
        "quantize again with representative data",
    )
}

/// PRELU: input, slopes.
///
/// The sum of the positive part and of the negative part times the slopes: one of the two is zero in every element and
/// an addition of equal scales is exact, so that the sum is the kernel's result.
pub fn prelu(op: &mut Op) -> Result<(), CompileError> {
    op.arity(2, 2, 1)?;
    let (x, alpha) = (op.activation(0)?, op.activation(1)?);
    if broadcast(op, &x.shape, &alpha.shape)? != x.shape {
        return Err(op.inconsistent(format!("its slopes {:?} do not fit its input {:?}", alpha.shape, x.shape)));
    }
    let y = op.output(0, &x.shape)?;
    let (from, to) = (x.quantization, y.quantization);
    let table = nonlinear::positive_part(from, to).ok_or_else(|| out_of_range(op, from, to))?;
    let positive = op.temporary("positive", &x.shape, to);
    op.push(NodeOp::Lut { table }, &[&x], &positive);
    let negative = op.temporary("negative", &x.shape, from);
    op.push(NodeOp::Requantize { clamp: Clamp { low: -128, high: from.zero_point } }, &[&x], &negative);
    let scaled = op.temporary("scaled", &x.shape, to);
    op.push(NodeOp::Mul { clamp: Clamp::INT8 }, &[&negative, &alpha], &scaled);
    op.push(NodeOp::Add { clamp: Clamp::INT8 }, &[&positive, &scaled], &y);
    Ok(())
}

/// QUANTIZE: a float input of the model to integers, or integers to others.
pub fn quantize(op: &mut Op) -> Result<(), CompileError> {
    op.arity(1, 1, 1)?;
    if op.quantize_input()? {
        return Ok(());
    }
    let x = op.any_activation(0)?;
    let y = op.any_output(0, &x.shape)?;
    op.quantizable_types()?;
    if x.ty == y.ty && x.quantization == y.quantization {
        op.push(NodeOp::Reshape, &[&x], &y);
        return Ok(());
    }
    let (low, high) = y.ty.range();
    op.push(NodeOp::Requantize { clamp: Clamp { low, high } }, &[&x], &y);
    Ok(())
}

/// DEQUANTIZE: only for an output of the model.
pub fn dequantize(op: &mut Op) -> Result<(), CompileError> {
    op.arity(1, 1, 1)?;
    let x = op.any_activation(0)?;
    op.dequantize_output(&x)
}
