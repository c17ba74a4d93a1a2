//! Functions of one int8 value, and normalization to length one.

use super::elementwise::{out_of_range, unary};
use super::op::Op;
use super::schema::{Gelu, L2Norm};
use crate::error::CompileError;
use crate::graph::{Clamp, NodeOp};
use crate::nonlinear::Quantization;
use crate::nonlinear::functions;

/// ABS, EXP, LOG, GELU, SQRT, RSQRT.
pub fn function(op: &mut Op) -> Result<(), CompileError> {
    let (x, y) = unary(op)?;
    let (from, to) = (x.quantization, y.quantization);
    let name = op.source.name;
    if matches!(name, "SQRT" | "RSQRT") && from.zero_point != -128 {
        return Err(op.unsupported(
            format!("its operand can be negative (zero point {}), at which the kernel fails", from.zero_point),
            "quantize again with representative data: the operand of a root is never negative",
        ));
    }
    let table = match name {
        "ABS" => functions::abs(from, to),
        "EXP" => functions::exp(from, to),
        "LOG" => functions::log(from, to),
        "GELU" => functions::gelu(from, to, op.options::<Gelu>()?.approximate()?),
        "SQRT" => functions::sqrt(from, to),
        _ => functions::rsqrt(from, to),
    };
    let table = table.ok_or_else(|| out_of_range(op, from, to))?;
    op.push(NodeOp::Lut { table }, &[&x], &y);
    Ok(())
}

/// RELU_N1_TO_1 and RELU_0_TO_1 on their own: the kernels clamp.
pub fn narrow_relu(op: &mut Op) -> Result<(), CompileError> {
    let (x, y) = unary(op)?;
    op.same_quantization(&x, &y)?;
    let mut clamp = op.clamp(2, &y)?;
    if op.source.name == "RELU_0_TO_1" {
        clamp.low = y.quantization.zero_point;
    }
    op.push(NodeOp::Requantize { clamp }, &[&x], &y);
    Ok(())
}

/// L2_NORMALIZATION over the last axis: the kernel's output is in units of 1/128.
pub fn l2_normalization(op: &mut Op) -> Result<(), CompileError> {
    let (x, y) = unary(op)?;
    if op.options::<L2Norm>()?.activation()? != 0 {
        return Err(op.unsupported("the kernel ignores its fused activation", "make it an operator of its own"));
    }
    op.fixed_output(&y, Quantization { scale: 1.0 / 128.0, zero_point: 0 })?;
    op.push(NodeOp::L2Norm { clamp: Clamp::INT8 }, &[&x], &y);
    Ok(())
}
