//! `average_pool2d`: constants mantissas, shifts (empty in TensorFlow Lite rounding).

use tanbo_format::attrs::Pool;
use tanbo_kernels::{AveragePool2d, Kernels};

use super::{Call, image, window};

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let attributes = Pool::from_average(call.step.attrs)?;
    let (x, y) = (call.input(0)?, call.output()?);
    let range = attributes.range;
    let params = AveragePool2d {
        window: window(&attributes.window),
        input: image(&x)?,
        output: image(&y)?,
        input_zero_point: range.input_zero_point,
        divisors: call.multipliers(0)?,
        range: call.range(range.output_zero_point, range.low, range.high),
    };
    call.output_rows(&x, |input, output, rows| K::average_pool2d(&params, input, output, rows))
}
