//! `add`, and the parameters it shares with `sub`.

use tanbo_format::attrs;
use tanbo_kernels::{KernelResult, Kernels, Sum};

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    with_kernel(call, K::add)
}

pub(super) fn with_kernel(
    call: &mut Call<'_, '_>,
    kernel: fn(&Sum<'_>, &[i8], &[i8], &mut [i8]) -> KernelResult,
) -> Option<()> {
    let (x1, x2) = (call.input(0)?, call.input(1)?);
    let params = params(call, attrs::Sum::from_words(call.step.attrs)?)?;
    let (inputs, output) = call.split_int8()?;
    kernel(&params, inputs.int8(&x1)?, inputs.int8(&x2)?, output).ok()
}

pub(super) fn params<'m>(call: &Call<'_, 'm>, attributes: attrs::Sum) -> Option<Sum<'m>> {
    let (x1, x2, y) = (call.input(0)?, call.input(1)?, call.output()?);
    let [m1, m2] = attributes.input_multipliers;
    Some(Sum {
        shapes: [x1.shape, x2.shape],
        output_shape: y.shape,
        zero_points: attributes.input_zero_points,
        left_shift: attributes.left_shift,
        multipliers: [m1.get()?, m2.get()?],
        multiplier: attributes.multiplier.get()?,
        range: call.range(attributes.output_zero_point, attributes.low, attributes.high),
    })
}
