//! `average_pool2d_i16`.

use tanbo_format::Op;

use super::average_pool2d::divisors;
use super::{Context, Lowered};
use crate::error::CompileError;
use crate::graph::{Clamp, Window};

pub(super) fn lower(
    context: &Context<'_>,
    window: &Window,
    clamp: Clamp,
    count_include_pad: bool,
) -> Result<Lowered, CompileError> {
    let mut attrs = context.window(window, false)?;
    attrs.extend([clamp.low, clamp.high]);
    Ok(Lowered { op: Op::AveragePool2dI16, attrs, consts: divisors(context, window, count_include_pad)?.into() })
}
