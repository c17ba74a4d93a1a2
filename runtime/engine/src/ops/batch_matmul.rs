//! `batch_matmul`.

use tanbo_format::{Tensor, attrs};
use tanbo_kernels::{BatchMatmul, Kernels};

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let (params, x1, x2) = params(call, attrs::BatchMatmul::from_words(call.step.attrs)?)?;
    let (inputs, output) = call.split_int8()?;
    K::batch_matmul(&params, inputs.int8(&x1)?, inputs.int8(&x2)?, output).ok()
}

/// Returns the parameters and the two inputs.
pub(super) fn params<'m>(
    call: &Call<'_, 'm>,
    attributes: attrs::BatchMatmul,
) -> Option<(BatchMatmul<'m>, Tensor<'m>, Tensor<'m>)> {
    let attrs::BatchMatmul { transposed, product } = attributes;
    let (x1, x2, y) = (call.input(0)?, call.input(1)?, call.output()?);
    let params = BatchMatmul {
        shapes: [x1.shape, x2.shape],
        transposed: transposed.map(|t| t != 0),
        output_shape: y.shape,
        zero_points: product.input_zero_points,
        multiplier: product.multiplier.get()?,
        range: call.range(product.output_zero_point, product.low, product.high),
    };
    Some((params, x1, x2))
}
