//! `depthwise_conv2d_i16`.

use tanbo_format::Op;

use super::{Context, Lowered};
use crate::error::CompileError;
use crate::graph::{Clamp, Weights, Window};

pub(super) fn lower(
    context: &Context<'_>,
    window: &Window,
    weights: &Weights,
    clamp: Clamp,
) -> Result<Lowered, CompileError> {
    let (consts, _) = context.wide_weights(weights, true)?;
    let mut attrs = context.window(window, true)?;
    attrs.extend([clamp.low, clamp.high]);
    Ok(Lowered { op: Op::DepthwiseConv2dI16, attrs, consts })
}
