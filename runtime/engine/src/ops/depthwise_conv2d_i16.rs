//! `depthwise_conv2d_i16`: constants weights, bias, mantissas, shifts.

use tanbo_format::attrs::ConvI16;
use tanbo_kernels::{DepthwiseConv2dI16, Kernels};

use super::{Call, image, window};

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let conv = ConvI16::from_depthwise_conv2d(call.step.attrs)?;
    let (x, y) = (call.input(0)?, call.output()?);
    let params = DepthwiseConv2dI16 {
        window: window(&conv.window),
        input: image(&x)?,
        output: image(&y)?,
        weights: call.step.constant(0)?.i8()?,
        bias: call.step.constant(1)?.i64()?,
        multipliers: call.multipliers(2)?,
        range: call.range_i16(conv.range.low, conv.range.high),
    };
    call.output_rows(&x, |input, output, rows| K::depthwise_conv2d_i16(&params, input, output, rows))
}
