//! `squared_difference`: both inputs brought to twice the larger scale with 7 bits of headroom.

use tanbo_format::Op;

use super::{Context, Lowered};
use crate::error::CompileError;
use crate::graph::Clamp;

/// Headroom: the square of a difference of 9 bits and 7 more stays below 2^31.
const LEFT_SHIFT: i32 = 7;

pub(super) fn lower(context: &Context<'_>, clamp: Clamp) -> Result<Lowered, CompileError> {
    let (x1, x2, y) = (context.input(0)?, context.input(1)?, context.output()?);
    let (s1, s2) = (f64::from(x1.scale), f64::from(x2.scale));
    let twice_max = 2.0 * s1.max(s2);
    let m1 = context.multiplier(s1 / twice_max)?;
    let m2 = context.multiplier(s2 / twice_max)?;
    let m = context.multiplier(twice_max * twice_max / (f64::from(1 << (2 * LEFT_SHIFT)) * f64::from(y.scale)))?;
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
    Ok(Lowered { op: Op::SquaredDifference, attrs, consts: Vec::new() })
}
