//! `depthwise_conv2d_i4`.

use tanbo_format::Op;

use super::{Context, Lowered, depthwise_conv2d};
use crate::error::CompileError;
use crate::graph::{Clamp, Weights, Window};

pub(super) fn lower(
    context: &Context<'_>,
    window: &Window,
    weights: &Weights,
    clamp: Clamp,
) -> Result<Lowered, CompileError> {
    context.in_four_bits(Op::DepthwiseConv2dI4, depthwise_conv2d::lower(context, window, weights, clamp)?)
}
