//! `mean`, and the parameters it shares with `mean_i16`.

use tanbo_format::{Tensor, attrs};
use tanbo_kernels::{Kernels, Mean};

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let x = call.input(0)?;
    let params = params(call, &attrs::Mean::from_words(call.step.attrs)?, &x)?;
    let (inputs, output) = call.split_int8()?;
    K::mean(&params, inputs.int8(&x)?, output).ok()
}

pub(super) fn params<'m>(call: &Call<'_, 'm>, attributes: &attrs::Mean, x: &Tensor<'m>) -> Option<Mean<'m>> {
    let range = attributes.requantize.range;
    Some(Mean {
        shape: x.shape,
        axes: attributes.axes as u32,
        input_zero_point: range.input_zero_point,
        multiplier: attributes.requantize.multiplier.get()?,
        range: call.range(range.output_zero_point, range.low, range.high),
    })
}
