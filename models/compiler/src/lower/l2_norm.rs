//! `l2_norm`.

use tanbo_format::Op;

use super::{Context, Lowered};
use crate::error::CompileError;
use crate::graph::Clamp;

pub(super) fn lower(context: &Context<'_>, clamp: Clamp) -> Result<Lowered, CompileError> {
    let (x, y) = (context.input(0)?, context.output()?);
    let attrs = vec![x.zero_point, y.zero_point, clamp.low, clamp.high];
    Ok(Lowered { op: Op::L2Norm, attrs, consts: Vec::new() })
}
