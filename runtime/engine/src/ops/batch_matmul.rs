//! `batch_matmul`.

use tanbo_format::attrs;
use tanbo_kernels::{BatchMatmul, Kernels};

use super::{Call, Params, ParamsRef, Records};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    params(records, attrs::BatchMatmul::from_words(records.step.attrs)?)
}

/// Returns the parameters of a matrix product with these attributes.
pub(super) fn params<'m>(records: &Records<'_, 'm>, attributes: attrs::BatchMatmul) -> Option<Params<'m>> {
    let attrs::BatchMatmul { transposed, product } = attributes;
    let (x1, x2, y) = (records.input(0)?, records.input(1)?, records.output()?);
    let pair = records.pair(BatchMatmul {
        shapes: [x1.shape, x2.shape],
        transposed: transposed.map(|t| t != 0),
        output_shape: y.shape,
        zero_points: product.input_zero_points,
        multiplier: product.multiplier.get()?,
        range: records.range(product.output_zero_point, product.low, product.high),
    })?;
    Some(Params::BatchMatmul(pair))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::BatchMatmul(pair) = call.params else { return None };
    call.whole_pair(&pair.other, |input1, input2, output| K::batch_matmul(&pair.params, input1, input2, output))
}
