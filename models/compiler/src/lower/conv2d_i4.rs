//! `conv2d_i4`.

use tanbo_format::Op;

use super::{Context, Lowered, conv2d};
use crate::error::CompileError;
use crate::graph::{Clamp, Weights, Window};

pub(super) fn lower(
    context: &Context<'_>,
    window: &Window,
    groups: usize,
    weights: &Weights,
    clamp: Clamp,
) -> Result<Lowered, CompileError> {
    context.in_four_bits(Op::Conv2dI4, conv2d::lower(context, window, groups, weights, clamp)?)
}
