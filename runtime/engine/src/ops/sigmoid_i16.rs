//! `sigmoid_i16`: constant table.

use tanbo_format::attrs;
use tanbo_kernels::{Kernels, SigmoidI16};

use super::{Call, Params, ParamsRef, Records};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    let attributes = attrs::SigmoidI16::from_words(records.step.attrs)?;
    Some(Params::SigmoidI16(SigmoidI16 {
        tanh: attributes.tanh != 0,
        multiplier: attributes.multiplier,
        right_shift: attributes.right_shift as u32,
        table: records.constant(0)?.i16()?,
    }))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::SigmoidI16(params) = call.params else { return None };
    call.each_row_i16(|x, y| K::sigmoid_i16(params, x, y))
}
