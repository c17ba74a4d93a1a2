//! `slice`.

use tanbo_format::{MAX_RANK, Op};

use super::{Context, Lowered};
use crate::error::{CompileError, CompileErrorKind};

pub(super) fn lower(context: &Context<'_>, begin: &[usize], stride: &[isize]) -> Result<Lowered, CompileError> {
    let mut attrs = context.words_per_axis(begin)?.to_vec();
    let counts = &context.output()?.shape;
    let mut strides = [0; MAX_RANK];
    for ((word, &stride), &count) in strides.iter_mut().zip(stride).zip(counts) {
        // The stride of a single element means nothing, and may be longer than the axis.
        let stride = if count == 1 { 1 } else { stride };
        *word = i32::try_from(stride).map_err(|_| {
            context.error(CompileErrorKind::TooLarge, format!("stride {stride} exceeds 32 bits"), "split the slice")
        })?;
    }
    attrs.extend(strides);
    Ok(Lowered { op: Op::Slice, attrs, consts: Vec::new() })
}
