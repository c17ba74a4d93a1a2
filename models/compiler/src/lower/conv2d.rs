//! `conv2d`.

use tanbo_format::Op;

use super::{Context, Lowered};
use crate::error::CompileError;
use crate::graph::{Clamp, Weights, Window};

pub(super) fn lower(
    context: &Context<'_>,
    window: &Window,
    groups: usize,
    weights: &Weights,
    clamp: Clamp,
) -> Result<Lowered, CompileError> {
    let mut attrs = context.window(window, true)?;
    attrs.extend([context.input(0)?.zero_point, context.output()?.zero_point, clamp.low, clamp.high]);
    attrs.push(context.word(groups)?);
    Ok(Lowered { op: Op::Conv2d, attrs, consts: context.weights(weights)? })
}
