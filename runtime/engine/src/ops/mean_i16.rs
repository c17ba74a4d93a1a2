//! `mean_i16`.

use tanbo_format::attrs;
use tanbo_kernels::{Kernels, Mean};

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let attributes = attrs::Mean::from_i16(call.step.attrs)?;
    let range = attributes.requantize.range;
    let x = call.input(0)?;
    let params = Mean {
        shape: x.shape,
        axes: attributes.axes as u32,
        input_zero_point: range.input_zero_point,
        multiplier: attributes.requantize.multiplier.get()?,
        range: call.range(range.output_zero_point, range.low, range.high),
    };
    let (inputs, output) = call.split_int16()?;
    K::mean_i16(&params, inputs.int16(&x)?, output).ok()
}
