//! `depthwise_conv2d_i16`: constants weights, bias, mantissas, shifts.

use tanbo_format::attrs::ConvI16;
use tanbo_kernels::{DepthwiseConv2dI16, Kernels};

use super::{Call, Params, ParamsRef, Records, image, window};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    let conv = ConvI16::from_depthwise_conv2d(records.step.attrs)?;
    Some(Params::DepthwiseConv2dI16(DepthwiseConv2dI16 {
        window: window(&conv.window),
        input: image(&records.input(0)?)?,
        output: image(&records.output()?)?,
        weights: records.constant(0)?.i8()?,
        bias: records.constant(1)?.i64()?,
        multipliers: records.multipliers(2)?,
        range: records.range_i16(conv.range.low, conv.range.high),
    }))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::DepthwiseConv2dI16(params) = call.params else { return None };
    call.output_rows(|input, output, rows| K::depthwise_conv2d_i16(params, input, output, rows))
}
