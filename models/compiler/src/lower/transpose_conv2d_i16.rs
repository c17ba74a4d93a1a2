//! `transpose_conv2d_i16`.

use tanbo_format::Op;

use super::{Context, Lowered, conv2d_i16};
use crate::error::{CompileError, CompileErrorKind};
use crate::graph::{Clamp, Weights, Window};

pub(super) fn lower(
    context: &Context<'_>,
    window: &Window,
    groups: usize,
    weights: &Weights,
    clamp: Clamp,
) -> Result<Lowered, CompileError> {
    let mut lowered = conv2d_i16::lower(context, window, groups, weights, clamp)?;
    // The kernel has one width of accumulators only.
    if lowered.attrs.pop() != Some(64) {
        return Err(context.error(
            CompileErrorKind::Unsupported,
            "its bias has 32 bits, its activations have 16",
            "convert again with biases of int64",
        ));
    }
    Ok(Lowered { op: Op::TransposeConv2dI16, ..lowered })
}
