//! `softmax`: constant exponentials (empty in TensorFlow Lite rounding).

use tanbo_format::attrs;
use tanbo_kernels::{Kernels, Softmax};

use super::{Call, Params, ParamsRef, Records};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    let attributes = attrs::Softmax::from_words(records.step.attrs)?;
    Some(Params::Softmax(Softmax {
        length: *records.input(0)?.shape.last()? as usize,
        multiplier: attributes.multiplier.get()?,
        diff_min: attributes.diff_min,
        exponentials: records.constant(0)?.i32()?,
        range: records.range(attributes.output_zero_point, i32::from(i8::MIN), i32::from(i8::MAX)),
    }))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Softmax(params) = call.params else { return None };
    call.whole(|input, output| K::softmax(params, input, output))
}
