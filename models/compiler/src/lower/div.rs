//! `div`.

use tanbo_format::Op;

use super::{Context, Lowered};
use crate::error::CompileError;
use crate::graph::Clamp;

pub(super) fn lower(context: &Context<'_>, clamp: Clamp) -> Result<Lowered, CompileError> {
    let (x1, x2, y) = (context.input(0)?, context.input(1)?, context.output()?);
    let m = context.multiplier(f64::from(x1.scale) / (f64::from(x2.scale) * f64::from(y.scale)))?;
    let attrs = vec![x1.zero_point, x2.zero_point, y.zero_point, m.mantissa, m.shift, clamp.low, clamp.high];
    Ok(Lowered { op: Op::Div, attrs, consts: Vec::new() })
}
