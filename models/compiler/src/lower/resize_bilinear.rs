//! `resize_bilinear`: in single rounding, the division by the units is folded into the multiplier.

use tanbo_format::Op;
use tanbo_format::emit::ConstData;
use tanbo_quant::{Multiplier, Rounding};

use super::{Context, Lowered};
use crate::error::CompileError;
use crate::graph::Clamp;
use crate::resize::Interpolation;

pub(super) fn lower(
    context: &Context<'_>,
    rows: &Interpolation,
    columns: &Interpolation,
    clamp: Clamp,
) -> Result<Lowered, CompileError> {
    let (x, y) = (context.input(0)?, context.output()?);
    let unit = f64::from(rows.unit) * f64::from(columns.unit);
    let m = match context.node.rounding {
        // The scales are equal, and the kernel divides.
        Rounding::Tflite => Multiplier { mantissa: 0, shift: 0 },
        Rounding::Single => context.multiplier(f64::from(x.scale) / (f64::from(y.scale) * unit))?,
    };
    let attrs = vec![rows.unit, columns.unit, x.zero_point, y.zero_point, m.mantissa, m.shift, clamp.low, clamp.high];
    let mut consts = Vec::new();
    for axis in [rows, columns] {
        let positions = axis.positions.iter().map(|&p| context.word(p)).collect::<Result<_, _>>()?;
        consts.extend([ConstData::I32(positions), ConstData::I32(axis.weights.clone())]);
    }
    Ok(Lowered { op: Op::ResizeBilinear, attrs, consts })
}
