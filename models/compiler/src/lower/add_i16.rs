//! `add_i16`, and what it shares with `sub_i16`: as `add`, with 15 bits of headroom.

use tanbo_format::Op;

use super::{Context, Lowered, add};
use crate::error::CompileError;
use crate::graph::Clamp;

/// Headroom: 16 bits and 15 more, halved at least by the inputs' multipliers, stay below 2^31.
const LEFT_SHIFT: i32 = 15;

pub(super) fn lower(context: &Context<'_>, clamp: Clamp) -> Result<Lowered, CompileError> {
    with_op(context, clamp, Op::AddI16)
}

pub(super) fn with_op(context: &Context<'_>, clamp: Clamp, op: Op) -> Result<Lowered, CompileError> {
    Ok(Lowered { op, attrs: add::scaled_sum(context, LEFT_SHIFT, clamp)?.to_vec(), consts: Vec::new() })
}
