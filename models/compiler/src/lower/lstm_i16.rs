//! `lstm_i16`.

use tanbo_format::Op;
use tanbo_format::emit::ConstData;

use super::{Context, Lowered, lstm};
use crate::error::CompileError;
use crate::graph::Recurrence;

pub(super) fn lower(context: &Context<'_>, weights: &Recurrence, cell_clip: i32) -> Result<Lowered, CompileError> {
    Ok(Lowered {
        op: Op::LstmI16,
        attrs: lstm::attrs(context, weights, cell_clip)?,
        consts: context.recurrence(weights, vec![ConstData::I64(weights.bias.clone())])?,
    })
}
