//! `average_pool2d`: in single rounding, one multiplier per number of valid taps.

use tanbo_format::Op;
use tanbo_format::emit::ConstData;
use tanbo_quant::Rounding;

use super::{Context, Lowered, multiplier_constants};
use crate::error::CompileError;
use crate::graph::{Clamp, Window};

pub(super) fn lower(
    context: &Context<'_>,
    window: &Window,
    clamp: Clamp,
    count_include_pad: bool,
) -> Result<Lowered, CompileError> {
    let (x, y) = (context.input(0)?, context.output()?);
    let mut attrs = context.window(window, false)?;
    attrs.extend([x.zero_point, y.zero_point, clamp.low, clamp.high]);
    let consts = divisors(context, window, count_include_pad)?.into();
    Ok(Lowered { op: Op::AveragePool2d, attrs, consts })
}

/// Returns the multiplier for each number of valid taps as two constants, empty in TensorFlow Lite rounding.
pub(super) fn divisors(
    context: &Context<'_>,
    window: &Window,
    count_include_pad: bool,
) -> Result<[ConstData; 2], CompileError> {
    let (x, y) = (context.input(0)?, context.output()?);
    let taps = window.kernel[0] * window.kernel[1];
    let divisors = match context.node.rounding {
        Rounding::Tflite => Vec::new(),
        Rounding::Single => (1..=taps)
            .map(|valid| {
                let divisor = if count_include_pad { taps } else { valid };
                context.multiplier(f64::from(x.scale) / (f64::from(y.scale) * divisor as f64))
            })
            .collect::<Result<Vec<_>, _>>()?,
    };
    Ok(multiplier_constants(&divisors))
}
