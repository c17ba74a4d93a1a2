//! `fully_connected_i16`.

use tanbo_format::Op;

use super::{Context, Lowered};
use crate::error::CompileError;
use crate::graph::{Clamp, Weights};

pub(super) fn lower(context: &Context<'_>, weights: &Weights, clamp: Clamp) -> Result<Lowered, CompileError> {
    let (consts, _) = context.wide_weights(weights, false)?;
    Ok(Lowered { op: Op::FullyConnectedI16, attrs: vec![clamp.low, clamp.high], consts })
}
