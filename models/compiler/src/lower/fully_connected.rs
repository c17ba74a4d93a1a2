//! `fully_connected`.

use tanbo_format::Op;

use super::{Context, Lowered};
use crate::error::CompileError;
use crate::graph::{Clamp, Weights};

pub(super) fn lower(context: &Context<'_>, weights: &Weights, clamp: Clamp) -> Result<Lowered, CompileError> {
    let attrs = vec![context.input(0)?.zero_point, context.output()?.zero_point, clamp.low, clamp.high];
    Ok(Lowered { op: Op::FullyConnected, attrs, consts: context.weights(weights)? })
}
