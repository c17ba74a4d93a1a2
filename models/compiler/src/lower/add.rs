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
    let (x1, x2, y) = (context.input(0)?, context.input(1)?, context.output()?);
    let (s1, s2) = (f64::from(x1.scale), f64::from(x2.scale));
    let twice_max = 2.0 * s1.max(s2);
    let m1 = context.multiplier(s1 / twice_max)?;
    let m2 = context.multiplier(s2 / twice_max)?;
    let m = context.multiplier(twice_max / (f64::from(1 << LEFT_SHIFT) * f64::from(y.scale)))?;
    let attrs = vec![
        x1.zero_point,
        x2.zero_point,
        y.zero_point,
        LEFT_SHIFT,
        m1.mantissa,
        m1.shift,
        m2.mantissa,
        m2.shift,
        m.mantissa,
        m.shift,
        clamp.low,
        clamp.high,
    ];
    Ok(Lowered { op, attrs, consts: Vec::new() })
}
