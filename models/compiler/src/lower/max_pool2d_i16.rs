//! `max_pool2d_i16`.

use tanbo_format::Op;

use super::{Context, Lowered};
use crate::error::CompileError;
use crate::graph::{Clamp, Window};

pub(super) fn lower(context: &Context<'_>, window: &Window, clamp: Clamp) -> Result<Lowered, CompileError> {
    let mut attrs = context.window(window, false)?;
    attrs.extend([clamp.low, clamp.high]);
    Ok(Lowered { op: Op::MaxPool2dI16, attrs, consts: Vec::new() })
}
