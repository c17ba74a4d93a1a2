//! `conv2d`: constants weights, bias, mantissas, shifts.

use tanbo_format::Tensor;
use tanbo_format::attrs::Conv;
use tanbo_kernels::{Conv2d, Kernels};

use super::{Call, image, window};

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let (params, x) = params(call)?;
    call.output_rows(&x, |input, output, rows| K::conv2d(&params, input, output, rows))
}

/// Returns the parameters of a step with the attributes and constants of `conv2d`, and its input.
pub(super) fn params<'m>(call: &Call<'_, 'm>) -> Option<(Conv2d<'m>, Tensor<'m>)> {
    let attributes = Conv::from_conv2d(call.step.attrs)?;
    let (x, y) = (call.input(0)?, call.output()?);
    let range = attributes.range;
    let params = Conv2d {
        window: window(&attributes.window),
        input: image(&x)?,
        output: image(&y)?,
        groups: attributes.groups as usize,
        input_zero_point: range.input_zero_point,
        weights: call.step.constant(0)?.i8()?,
        bias: call.step.constant(1)?.i32()?,
        multipliers: call.multipliers(2)?,
        range: call.range(range.output_zero_point, range.low, range.high),
    };
    Some((params, x))
}
