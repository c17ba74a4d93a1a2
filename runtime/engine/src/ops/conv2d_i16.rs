//! `conv2d_i16`: constants weights, bias, mantissas, shifts.

use tanbo_format::attrs::ConvI16;
use tanbo_kernels::{Conv2dI16, Kernels, OutputI16};

use super::{Call, Params, ParamsRef, Records, image, window};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    params(records, ConvI16::from_conv2d(records.step.attrs)?)
}

/// Returns the parameters of a step with these attributes and the constants of `conv2d_i16`.
pub(super) fn params<'m>(records: &Records<'_, 'm>, attributes: ConvI16) -> Option<Params<'m>> {
    let ConvI16 { conv, accumulator_bits } = attributes;
    Some(Params::Conv2dI16(Conv2dI16 {
        window: window(&conv.window),
        input: image(&records.input(0)?)?,
        output: image(&records.output()?)?,
        groups: conv.groups as usize,
        weights: records.constant(0)?.i8()?,
        bias: records.constant(1)?.i64()?,
        multipliers: records.multipliers(2)?,
        range: OutputI16 { narrow: accumulator_bits == 32, ..records.range_i16(conv.range.low, conv.range.high) },
    }))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Conv2dI16(params) = call.params else { return None };
    call.output_rows(|input, output, rows| K::conv2d_i16(params, input, output, rows))
}
