//! `pad`.

use tanbo_format::Op;

use super::{Context, Lowered};
use crate::error::CompileError;

pub(super) fn lower(context: &Context<'_>, before: &[usize], value: i32) -> Result<Lowered, CompileError> {
    let mut attrs = context.words_per_axis(before)?.to_vec();
    attrs.push(value);
    Ok(Lowered { op: Op::Pad, attrs, consts: Vec::new() })
}
