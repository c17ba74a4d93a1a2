//! `mean`: the division by the number of values is folded into the multiplier.
//!
//! TensorFlow Lite divides the mantissa, shifted left by as many bits as keep it precise, as an integer.

use tanbo_format::Op;
use tanbo_quant::{Multiplier, Rounding};

use super::{Context, Lowered, axis_bits};
use crate::error::CompileError;
use crate::graph::Clamp;

pub(super) fn lower(context: &Context<'_>, axes: &[usize], clamp: Clamp) -> Result<Lowered, CompileError> {
    reduction(context, axes, divided_sum(context, axes)?, clamp)
}

/// A sum is a mean that is not divided.
pub(super) fn lower_sum(context: &Context<'_>, axes: &[usize], clamp: Clamp) -> Result<Lowered, CompileError> {
    let multiplier = context.multiplier(f64::from(context.input(0)?.scale) / f64::from(context.output()?.scale))?;
    reduction(context, axes, multiplier, clamp)
}

fn reduction(
    context: &Context<'_>,
    axes: &[usize],
    multiplier: Multiplier,
    clamp: Clamp,
) -> Result<Lowered, CompileError> {
    let (x, y) = (context.input(0)?, context.output()?);
    let bits = axis_bits(axes);
    let attrs = vec![bits, x.zero_point, y.zero_point, multiplier.mantissa, multiplier.shift, clamp.low, clamp.high];
    Ok(Lowered { op: Op::Mean, attrs, consts: Vec::new() })
}

/// Returns the multiplier of the sum over `axes`.
pub(super) fn divided_sum(context: &Context<'_>, axes: &[usize]) -> Result<Multiplier, CompileError> {
    let (x, y) = (context.input(0)?, context.output()?);
    let count: usize = axes.iter().filter_map(|&axis| x.shape.get(axis)).product();
    let ratio = f64::from(x.scale) / f64::from(y.scale);
    Ok(match context.node.rounding {
        Rounding::Single => context.multiplier(ratio / count as f64)?,
        Rounding::Tflite => divided(context.multiplier(ratio)?, count.max(1) as u64),
    })
}

fn divided(multiplier: Multiplier, count: u64) -> Multiplier {
    let headroom = (count.ilog2() as i32).min(32).min(31 + multiplier.shift);
    let mantissa = ((multiplier.mantissa as i64) << headroom) / count as i64;
    Multiplier { mantissa: mantissa as i32, shift: multiplier.shift - headroom }
}
