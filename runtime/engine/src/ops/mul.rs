//! `mul`, and the parameters it shares with `div`.

use tanbo_format::attrs;
use tanbo_kernels::{KernelResult, Kernels, Product};

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    with_kernel(call, K::mul)
}

pub(super) fn with_kernel(
    call: &mut Call<'_, '_>,
    kernel: fn(&Product<'_>, &[i8], &[i8], &mut [i8]) -> KernelResult,
) -> Option<()> {
    let attributes = attrs::Product::from_words(call.step.attrs)?;
    let (x1, x2, y) = (call.input(0)?, call.input(1)?, call.output()?);
    let params = Product {
        shapes: [x1.shape, x2.shape],
        output_shape: y.shape,
        zero_points: attributes.input_zero_points,
        multiplier: attributes.multiplier.get()?,
        range: call.range(attributes.output_zero_point, attributes.low, attributes.high),
    };
    call.each_pair(|shapes, output_shape, input1, input2, output| {
        kernel(&Product { shapes, output_shape, ..params }, input1, input2, output)
    })
}
