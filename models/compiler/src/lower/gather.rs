//! `gather`.

use tanbo_format::Op;
use tanbo_format::emit::ConstData;

use super::{Context, Lowered};
use crate::error::CompileError;

pub(super) fn lower(context: &Context<'_>, axis: usize, indices: &[usize]) -> Result<Lowered, CompileError> {
    let indices = indices.iter().map(|&i| context.word(i)).collect::<Result<_, _>>()?;
    Ok(Lowered { op: Op::Gather, attrs: vec![context.word(axis)?], consts: vec![ConstData::I32(indices)] })
}
