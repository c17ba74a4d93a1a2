//! `sigmoid_i16`: the input's scale becomes a factor to units of 1/12288.

use tanbo_format::Op;
use tanbo_format::emit::ConstData;

use super::{Context, Lowered};
use crate::error::{CompileError, CompileErrorKind};
use crate::nonlinear::wide::{sigmoid_scale, sigmoid_table};

pub(super) fn lower(context: &Context<'_>, tanh: bool) -> Result<Lowered, CompileError> {
    let scale = context.input(0)?.scale;
    let (multiplier, right_shift) = sigmoid_scale(scale, tanh).ok_or_else(|| {
        context.error(
            CompileErrorKind::Unsupported,
            format!("its input scale {scale} is more than the kernel can bring to its table"),
            "quantize again with representative data",
        )
    })?;
    let attrs = vec![i32::from(tanh), multiplier, right_shift];
    Ok(Lowered { op: Op::SigmoidI16, attrs, consts: vec![ConstData::I16(sigmoid_table())] })
}
