//! `batch_matmul_i16`.

use tanbo_format::Op;
use tanbo_quant::{Multiplier, Rounding};

use super::{Context, Lowered};
use crate::error::{CompileError, CompileErrorKind};
use crate::graph::Clamp;

pub(super) fn lower(context: &Context<'_>, transposed: [bool; 2], clamp: Clamp) -> Result<Lowered, CompileError> {
    let (x1, x2, y) = (context.input(0)?, context.input(1)?, context.output()?);
    let m = context.multiplier(f64::from(x1.scale) * f64::from(x2.scale) / f64::from(y.scale))?;
    if context.node.rounding == Rounding::Tflite && m.shift > Multiplier::MAX_WIDE_SHIFT {
        return Err(context.error(
            CompileErrorKind::Unsupported,
            format!("the factor between its scales is {:e}, more than the kernel takes", m.to_real()),
            "quantize again with representative data",
        ));
    }
    let [t1, t2] = transposed.map(i32::from);
    let attrs = vec![t1, t2, m.mantissa, m.shift, clamp.low, clamp.high];
    Ok(Lowered { op: Op::BatchMatmulI16, attrs, consts: Vec::new() })
}
