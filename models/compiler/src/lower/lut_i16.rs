//! `lut_i16`.

use tanbo_format::Op;
use tanbo_format::emit::ConstData;

use super::Lowered;
use crate::error::CompileError;

pub(super) fn lower(interpolated_bits: u32, table: &[i16]) -> Result<Lowered, CompileError> {
    let attrs = vec![interpolated_bits as i32];
    Ok(Lowered { op: Op::LutI16, attrs, consts: vec![ConstData::I16(table.to_vec())] })
}
