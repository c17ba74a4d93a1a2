//! `mul`, and the parameters and ways it shares with `div`.

use tanbo_format::attrs;
use tanbo_kernels::{KernelResult, Kernels, Product};

use super::{Call, Pair, Params, ParamsRef, Records};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    params(records, attrs::Product::from_words(records.step.attrs)?)
}

/// Returns the parameters of a product with these attributes.
pub(super) fn params<'m>(records: &Records<'_, 'm>, attributes: attrs::Product) -> Option<Params<'m>> {
    let (x1, x2, y) = (records.input(0)?, records.input(1)?, records.output()?);
    let pair = records.pair(Product {
        shapes: [x1.shape, x2.shape],
        output_shape: y.shape,
        zero_points: attributes.input_zero_points,
        multiplier: attributes.multiplier.get()?,
        range: records.range(attributes.output_zero_point, attributes.low, attributes.high),
    })?;
    Some(Params::Product(pair))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Product(pair) = call.params else { return None };
    with_kernel(call, pair, K::mul)
}

pub(super) fn with_kernel(
    call: &mut Call<'_, '_>,
    pair: &Pair<'_, Product<'_>>,
    kernel: fn(&Product<'_>, &[i8], &[i8], &mut [i8]) -> KernelResult,
) -> Option<()> {
    call.each_pair(pair, |shape, input1, input2, output| match shape {
        Some(shape) => {
            let params = Product { shapes: [shape, shape], output_shape: shape, ..pair.params };
            kernel(&params, input1, input2, output)
        }
        None => kernel(&pair.params, input1, input2, output),
    })
}
