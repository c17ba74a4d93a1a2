//! `conv2d_i16`: constants weights, bias, mantissas, shifts.

use tanbo_format::attrs::ConvI16;
use tanbo_kernels::{Conv2dI16, Kernels, OutputI16};

use super::{Call, image, window};

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ConvI16 { conv, accumulator_bits } = ConvI16::from_conv2d(call.step.attrs)?;
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
    call.each_output_row(&x, |input, output, row| K::conv2d_i16(&params, input, output, row))
}
