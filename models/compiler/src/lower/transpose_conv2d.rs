//! `transpose_conv2d`.

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
    Ok(Lowered { op: Op::TransposeConv2d, ..conv2d::lower(context, window, groups, weights, clamp)? })
}
