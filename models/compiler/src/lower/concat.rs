//! `concat`.

use tanbo_format::Op;

use super::{Context, Lowered};
use crate::error::CompileError;

pub(super) fn lower(context: &Context<'_>, axis: usize) -> Result<Lowered, CompileError> {
    Ok(Lowered { op: Op::Concat, attrs: vec![context.word(axis)?], consts: Vec::new() })
}
