//! `fully_connected_i4`.

use tanbo_format::Op;

use super::{Context, Lowered, fully_connected};
use crate::error::CompileError;
use crate::graph::{Clamp, Weights};

pub(super) fn lower(context: &Context<'_>, weights: &Weights, clamp: Clamp) -> Result<Lowered, CompileError> {
    let mut lowered = fully_connected::lower(context, weights, clamp)?;
    let depth = weights.data.len().checked_div(weights.bias.len()).unwrap_or_default();
    lowered.attrs.push(context.word(depth)?);
    context.in_four_bits(Op::FullyConnectedI4, lowered)
}
