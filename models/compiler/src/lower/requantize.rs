//! `requantize`.

use tanbo_format::Op;

use super::{Context, Lowered};
use crate::error::CompileError;
use crate::graph::Clamp;

pub(super) fn lower(context: &Context<'_>, factor: f64, clamp: Clamp) -> Result<Lowered, CompileError> {
    let (x, y) = (context.input(0)?, context.output()?);
    let m = context.multiplier(f64::from(x.scale) * factor / f64::from(y.scale))?;
    let attrs = vec![x.zero_point, y.zero_point, m.mantissa, m.shift, clamp.low, clamp.high];
    Ok(Lowered { op: Op::Requantize, attrs, consts: Vec::new() })
}
