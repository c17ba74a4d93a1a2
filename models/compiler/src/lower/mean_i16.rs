//! `mean_i16`.

use tanbo_format::Op;
use tanbo_quant::Rounding;

use super::mean::divided_sum;
use super::{Context, Lowered, axis_bits};
use crate::error::{CompileError, CompileErrorKind};
use crate::graph::Clamp;

pub(super) fn lower(context: &Context<'_>, axes: &[usize], clamp: Clamp) -> Result<Lowered, CompileError> {
    let multiplier = divided_sum(context, axes)?;
    let x = context.input(0)?;
    let count: usize = axes.iter().filter_map(|&axis| x.shape.get(axis)).product();
    let greatest = (count as u64).saturating_mul(1 << 15);
    if context.node.rounding == Rounding::Tflite && greatest > i32::MAX as u64 >> multiplier.shift.max(0) {
        return Err(context.error(
            CompileErrorKind::Unsupported,
            format!("the sum of {count} values, scaled by {:e}, can leave the kernel's 32 bits", multiplier.to_real()),
            "quantize again with representative data, or average in two steps",
        ));
    }
    let attrs = vec![axis_bits(axes), multiplier.mantissa, multiplier.shift, clamp.low, clamp.high];
    Ok(Lowered { op: Op::MeanI16, attrs, consts: Vec::new() })
}
