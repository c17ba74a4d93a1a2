//! `depthwise_conv2d`: constants weights, bias, mantissas, shifts.

use tanbo_format::attrs::Conv;
use tanbo_kernels::{DepthwiseConv2d, Kernels};

use super::{Call, Params, ParamsRef, Records, image, window};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    let attributes = Conv::from_depthwise_conv2d(records.step.attrs)?;
    let range = attributes.range;
    Some(Params::DepthwiseConv2d(DepthwiseConv2d {
        window: window(&attributes.window),
        input: image(&records.input(0)?)?,
        output: image(&records.output()?)?,
        input_zero_point: range.input_zero_point,
        weights: records.constant(0)?.i8()?,
        bias: records.constant(1)?.i32()?,
        multipliers: records.multipliers(2)?,
        range: records.range(range.output_zero_point, range.low, range.high),
    }))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::DepthwiseConv2d(params) = call.params else { return None };
    call.output_rows(|input, output, rows| K::depthwise_conv2d(params, input, output, rows))
}
