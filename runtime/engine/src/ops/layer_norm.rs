//! `layer_norm`.

use tanbo_format::attrs;
use tanbo_kernels::{Kernels, LayerNorm};

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let attributes = attrs::LayerNorm::from_words(call.step.attrs)?;
    let range = attributes.range;
    let x = call.input(0)?;
    let params = LayerNorm {
        center: attributes.center == 1,
        input_zero_point: range.input_zero_point,
        variance_shift: attributes.variance_shift as u32,
        epsilon: attributes.epsilon()?,
        gamma: call.step.constant(0)?.i32()?,
        beta: call.step.constant(1)?.i32()?,
        beta_shift: attributes.beta_shift as u32,
        shift: attributes.shift as u32,
        range: call.range(range.output_zero_point, range.low, range.high),
    };
    let (inputs, output) = call.split_int8()?;
    K::layer_norm(&params, inputs.int8(&x)?, output).ok()
}
