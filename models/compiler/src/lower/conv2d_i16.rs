//! `conv2d_i16`.

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
    let (consts, accumulator_bits) = context.wide_weights(weights, false)?;
    let mut attrs = context.window(window, true)?;
    attrs.extend([clamp.low, clamp.high, context.word(groups)?, accumulator_bits]);
    Ok(Lowered { op: Op::Conv2dI16, attrs, consts })
}
