//! `layer_norm`.

use tanbo_format::attrs;
use tanbo_kernels::{Kernels, LayerNorm};

use super::{Call, Params, ParamsRef, Records};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    let attributes = attrs::LayerNorm::from_words(records.step.attrs)?;
    let range = attributes.range;
    Some(Params::LayerNorm(LayerNorm {
        center: attributes.center == 1,
        input_zero_point: range.input_zero_point,
        variance_shift: attributes.variance_shift as u32,
        epsilon: attributes.epsilon()?,
        gamma: records.constant(0)?.i32()?,
        beta: records.constant(1)?.i32()?,
        beta_shift: attributes.beta_shift as u32,
        shift: attributes.shift as u32,
        range: records.range(range.output_zero_point, range.low, range.high),
    }))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::LayerNorm(params) = call.params else { return None };
    call.whole(|input, output| K::layer_norm(params, input, output))
}
