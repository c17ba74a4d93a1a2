//! `softmax_i16`: TensorFlow Lite's two tables, or coarse and fine exponentials.

use tanbo_format::Op;
use tanbo_format::emit::ConstData;
use tanbo_quant::Rounding;

use super::{Context, Lowered};
use crate::error::CompileError;
use crate::nonlinear::wide::softmax_tables;

pub(super) fn lower(context: &Context<'_>, beta: f32) -> Result<Lowered, CompileError> {
    let scale = f64::from(context.input(0)?.scale);
    let (multiplier, tables, exponentials) = match context.node.rounding {
        // Differences of 65535 stand for 10.
        Rounding::Tflite => {
            (context.multiplier(scale * f64::from(beta) / (10.0 / 65535.0))?, softmax_tables(), Vec::new())
        }
        Rounding::Single => {
            let multiplier = context.multiplier(1.0 / (f64::from(context.output()?.scale) * f64::from(1 << 30)))?;
            let scale = scale * f64::from(beta);
            let exponential = |d: i32| ((-scale * f64::from(d)).exp() * f64::from(1 << 30)).round() as i32;
            let exponentials = (0..256).map(|i| exponential(256 * i)).chain((0..256).map(exponential)).collect();
            (multiplier, Vec::new(), exponentials)
        }
    };
    let attrs = vec![multiplier.mantissa, multiplier.shift];
    let consts = vec![ConstData::I16(tables), ConstData::I32(exponentials)];
    Ok(Lowered { op: Op::SoftmaxI16, attrs, consts })
}
