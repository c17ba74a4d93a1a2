//! `lut`.

use tanbo_format::Op;
use tanbo_format::emit::ConstData;

use super::Lowered;
use crate::error::CompileError;

pub(super) fn lower(table: &[i8; 256]) -> Result<Lowered, CompileError> {
    Ok(Lowered { op: Op::Lut, attrs: Vec::new(), consts: vec![ConstData::I8(table.to_vec())] })
}
