//! `mul_i16`.

use tanbo_format::attrs;
use tanbo_kernels::{Kernels, Product};

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let attributes = attrs::Product::from_i16(call.step.attrs)?;
    let (x1, x2, y) = (call.input(0)?, call.input(1)?, call.output()?);
    let params = Product {
        shapes: [x1.shape, x2.shape],
        output_shape: y.shape,
        zero_points: attributes.input_zero_points,
        multiplier: attributes.multiplier.get()?,
        range: call.range(attributes.output_zero_point, attributes.low, attributes.high),
    };
    let (inputs, output) = call.split_int16()?;
    K::mul_i16(&params, inputs.int16(&x1)?, inputs.int16(&x2)?, output).ok()
}
