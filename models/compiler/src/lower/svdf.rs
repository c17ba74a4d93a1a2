//! `svdf`.

use tanbo_format::Op;
use tanbo_format::emit::ConstData;

use super::{Context, Lowered};
use crate::error::CompileError;
use crate::graph::Svdf;

/// Factors are products and quotients in f32, as TensorFlow Lite Micro computes them.
pub(super) fn lower(context: &Context<'_>, constants: &Svdf) -> Result<Lowered, CompileError> {
    let (x, state, y) = (context.input(0)?, context.state(0)?, context.output()?);
    let feature = context.multiplier(f64::from(x.scale * constants.feature_scale / state.scale))?;
    let multiplier = context.multiplier(f64::from(state.scale * constants.time_scale / y.scale))?;
    let attrs = vec![
        context.word(constants.rank)?,
        x.zero_point,
        state.zero_point,
        y.zero_point,
        feature.mantissa,
        feature.shift,
        multiplier.mantissa,
        multiplier.shift,
    ];
    let consts = vec![
        ConstData::I8(constants.feature_weights.clone()),
        ConstData::I16(constants.time_weights.clone()),
        ConstData::I32(constants.bias.clone()),
    ];
    Ok(Lowered { op: Op::Svdf, attrs, consts })
}
