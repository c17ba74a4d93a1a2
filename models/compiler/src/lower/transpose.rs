//! `transpose`.

use tanbo_format::Op;

use super::{Context, Lowered};
use crate::error::CompileError;

pub(super) fn lower(context: &Context<'_>, perm: &[usize]) -> Result<Lowered, CompileError> {
    Ok(Lowered { op: Op::Transpose, attrs: context.words_per_axis(perm)?.to_vec(), consts: Vec::new() })
}
