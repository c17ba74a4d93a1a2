//! `sub`.

use tanbo_format::Op;

use super::{Context, Lowered, add};
use crate::error::CompileError;
use crate::graph::Clamp;

pub(super) fn lower(context: &Context<'_>, clamp: Clamp) -> Result<Lowered, CompileError> {
    add::with_op(context, clamp, Op::Sub)
}
