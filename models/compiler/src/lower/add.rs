//! `add`, and what it shares with `sub`: both inputs brought to twice the larger scale with 20 bits of headroom.

use tanbo_format::Op;

use super::{Context, Lowered};
use crate::error::CompileError;
use crate::graph::Clamp;

/// Headroom: 9 bits of difference and 20 more stay below 2^30.
const LEFT_SHIFT: i32 = 20;

pub(super) fn lower(context: &Context<'_>, clamp: Clamp) -> Result<Lowered, CompileError> {
    with_op(context, clamp, Op::Add)
}

pub(super) fn with_op(context: &Context<'_>, clamp: Clamp, op: Op) -> Result<Lowered, CompileError> {
    let mut attrs = vec![context.input(0)?.zero_point, context.input(1)?.zero_point, context.output()?.zero_point];
    attrs.extend(scaled_sum(context, LEFT_SHIFT, clamp)?);
    Ok(Lowered { op, attrs, consts: Vec::new() })
}

/// Returns the headroom, the multipliers of both inputs and of the sum, and the bounds as attribute words.
pub(super) fn scaled_sum(context: &Context<'_>, left_shift: i32, clamp: Clamp) -> Result<[i32; 9], CompileError> {
    let (s1, s2) = (f64::from(context.input(0)?.scale), f64::from(context.input(1)?.scale));
    let twice_max = 2.0 * s1.max(s2);
    let m1 = context.multiplier(s1 / twice_max)?;
    let m2 = context.multiplier(s2 / twice_max)?;
    let m = context.multiplier(twice_max / (f64::from(1 << left_shift) * f64::from(context.output()?.scale)))?;
    let Clamp { low, high } = clamp;
    Ok([left_shift, m1.mantissa, m1.shift, m2.mantissa, m2.shift, m.mantissa, m.shift, low, high])
}
