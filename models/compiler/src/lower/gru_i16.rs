//! `gru_i16`.

use tanbo_format::Op;
use tanbo_format::emit::ConstData;

use super::{Context, Lowered, gru};
use crate::error::CompileError;
use crate::graph::Recurrence;

pub(super) fn lower(context: &Context<'_>, weights: &Recurrence, linear: bool) -> Result<Lowered, CompileError> {
    let biases = vec![ConstData::I64(weights.bias.clone()), ConstData::I64(weights.recurrent_bias.clone())];
    Ok(Lowered {
        op: Op::GruI16,
        attrs: gru::attrs(context, weights, linear)?,
        consts: context.recurrence(weights, biases)?,
    })
}
