//! `sub_i16`.

use tanbo_format::Op;

use super::{Context, Lowered, add_i16};
use crate::error::CompileError;
use crate::graph::Clamp;

pub(super) fn lower(context: &Context<'_>, clamp: Clamp) -> Result<Lowered, CompileError> {
    add_i16::with_op(context, clamp, Op::SubI16)
}
