//! `mul_i16`.

use tanbo_format::Op;
use tanbo_quant::Rounding;

use super::{Context, Lowered};
use crate::error::{CompileError, CompileErrorKind};
use crate::graph::Clamp;

pub(super) fn lower(context: &Context<'_>, clamp: Clamp) -> Result<Lowered, CompileError> {
    let (x1, x2, y) = (context.input(0)?, context.input(1)?, context.output()?);
    let m = context.multiplier(f64::from(x1.scale) * f64::from(x2.scale) / f64::from(y.scale))?;
    // A product has 31 bits with its sign: shifted left, its low bits would remain.
    if context.node.rounding == Rounding::Tflite && m.shift > 0 {
        return Err(context.error(
            CompileErrorKind::Unsupported,
            format!("the factor between its scales is {:e}: products can leave the kernel's 32 bits", m.to_real()),
            "quantize again with representative data",
        ));
    }
    let attrs = vec![m.mantissa, m.shift, clamp.low, clamp.high];
    Ok(Lowered { op: Op::MulI16, attrs, consts: Vec::new() })
}
