//! `minimum`.

use tanbo_format::Op;

use super::Lowered;
use crate::error::CompileError;

pub(super) fn lower() -> Result<Lowered, CompileError> {
    Ok(Lowered { op: Op::Minimum, attrs: Vec::new(), consts: Vec::new() })
}
