//! `conv2d_i16`: constants weights, bias, mantissas, shifts.

use tanbo_format::Tensor;
use tanbo_format::attrs::ConvI16;
use tanbo_kernels::{Conv2dI16, Kernels, OutputI16};

use super::{Call, image, window};

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let (params, x) = params(call, ConvI16::from_conv2d(call.step.attrs)?)?;
    call.output_rows(&x, |input, output, rows| K::conv2d_i16(&params, input, output, rows))
}

/// Returns the parameters of a step with these attributes and the constants of `conv2d_i16`, and its input.
pub(super) fn params<'m>(call: &Call<'_, 'm>, attributes: ConvI16) -> Option<(Conv2dI16<'m>, Tensor<'m>)> {
    let ConvI16 { conv, accumulator_bits } = attributes;
    let (x, y) = (call.input(0)?, call.output()?);
    let params = Conv2dI16 {
        window: window(&conv.window),
        input: image(&x)?,
        output: image(&y)?,
        groups: conv.groups as usize,
        weights: call.step.constant(0)?.i8()?,
        bias: call.step.constant(1)?.i64()?,
        multipliers: call.multipliers(2)?,
        range: OutputI16 { narrow: accumulator_bits == 32, ..call.range_i16(conv.range.low, conv.range.high) },
    };
    Some((params, x))
}
