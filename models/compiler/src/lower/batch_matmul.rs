//! `batch_matmul`.

use tanbo_format::Op;

use super::{Context, Lowered, mul};
use crate::error::CompileError;
use crate::graph::Clamp;

pub(super) fn lower(context: &Context<'_>, transposed: [bool; 2], clamp: Clamp) -> Result<Lowered, CompileError> {
    let mut attrs: Vec<i32> = transposed.map(i32::from).into();
    // The same words as of an elementwise product: zero points, scale factor, bounds.
    attrs.extend(mul::lower(context, clamp)?.attrs);
    Ok(Lowered { op: Op::BatchMatmul, attrs, consts: Vec::new() })
}
