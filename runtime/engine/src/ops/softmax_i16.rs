//! `softmax_i16`: constants tables (TensorFlow Lite rounding) and exponentials (single rounding), one of them empty.

use tanbo_format::attrs;
use tanbo_kernels::{Kernels, SoftmaxI16};

use super::{Call, Params, ParamsRef, Records};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    Some(Params::SoftmaxI16(SoftmaxI16 {
        length: *records.input(0)?.shape.last()? as usize,
        multiplier: attrs::softmax_i16(records.step.attrs)?.get()?,
        rounding: records.step.rounding,
        tables: records.constant(0)?.i16()?,
        exponentials: records.constant(1)?.i32()?,
    }))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::SoftmaxI16(params) = call.params else { return None };
    call.whole(|input, output| K::softmax_i16(params, input, output))
}
