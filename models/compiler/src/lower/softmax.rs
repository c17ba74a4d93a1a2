//! `softmax`: TensorFlow Lite's scaled differences, or a table of exponentials.

use tanbo_format::Op;
use tanbo_format::emit::ConstData;
use tanbo_quant::{Multiplier, Rounding};

use super::{Context, Lowered};
use crate::error::CompileError;

/// Differences are scaled to Q5.26.
const INTEGER_BITS: i32 = 5;
const FRACTIONAL_BITS: i32 = 31 - INTEGER_BITS;

pub(super) fn lower(context: &Context<'_>, beta: f32) -> Result<Lowered, CompileError> {
    let (x, y) = (context.input(0)?, context.output()?);
    let scale = f64::from(beta) * f64::from(x.scale);
    let (multiplier, diff_min, exponentials) = match context.node.rounding {
        Rounding::Tflite => {
            let scaled = scale * f64::from(1 << FRACTIONAL_BITS);
            if scaled >= f64::from(1 << 30) {
                // The shift is 31 and the smallest difference 0: the multiplier meets nothing but zeros.
                (Multiplier { mantissa: i32::MAX, shift: 30 }, 0, Vec::new())
            } else {
                let multiplier = context.multiplier(scaled)?;
                let greatest = i64::from((1 << INTEGER_BITS) - 1) << FRACTIONAL_BITS;
                (multiplier, -((greatest >> multiplier.shift.max(0)) as i32), Vec::new())
            }
        }
        Rounding::Single => {
            let multiplier = context.multiplier(1.0 / (f64::from(y.scale) * f64::from(1 << 24)))?;
            let exponential = |d: i32| ((-scale * f64::from(d)).exp() * f64::from(1 << 23)).round() as i32;
            (multiplier, 0, (0..256).map(exponential).collect())
        }
    };
    let attrs = vec![multiplier.mantissa, multiplier.shift, diff_min, y.zero_point];
    Ok(Lowered { op: Op::Softmax, attrs, consts: vec![ConstData::I32(exponentials)] })
}
