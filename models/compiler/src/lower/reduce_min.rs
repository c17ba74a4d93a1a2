//! `reduce_min`.

use tanbo_format::Op;

use super::{Lowered, axis_bits};
use crate::error::CompileError;

pub(super) fn lower(axes: &[usize]) -> Result<Lowered, CompileError> {
    Ok(Lowered { op: Op::ReduceMin, attrs: vec![axis_bits(axes)], consts: Vec::new() })
}
