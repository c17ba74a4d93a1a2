//! `requantize`.

use tanbo_format::{ElementType, attrs};
use tanbo_kernels::{Integer, Kernels, Requantize};

use super::{Call, Params, ParamsRef, Records};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    let attributes = attrs::Requantize::from_words(records.step.attrs)?;
    let range = attributes.range;
    Some(Params::Requantize(Requantize {
        from: integer(records.input(0)?.ty)?,
        to: integer(records.output()?.ty)?,
        input_zero_point: range.input_zero_point,
        multiplier: attributes.multiplier.get()?,
        range: records.range(range.output_zero_point, range.low, range.high),
    }))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Requantize(params) = call.params else { return None };
    call.each_row(|x, y| K::requantize(params, x, y).ok())
}

/// Returns the kernels' name of a type, if they have one.
pub(super) fn integer(ty: ElementType) -> Option<Integer> {
    match ty {
        ElementType::I8 => Some(Integer::I8),
        ElementType::U8 => Some(Integer::U8),
        ElementType::I16 => Some(Integer::I16),
        ElementType::I32 => None,
    }
}
