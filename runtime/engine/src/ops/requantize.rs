//! `requantize`.

use tanbo_format::{ElementType, attrs};
use tanbo_kernels::{Integer, Kernels, Requantize};

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let attributes = attrs::Requantize::from_words(call.step.attrs)?;
    let range = attributes.range;
    let params = Requantize {
        from: integer(call.input(0)?.ty)?,
        to: integer(call.output()?.ty)?,
        input_zero_point: range.input_zero_point,
        multiplier: attributes.multiplier.get()?,
        range: call.range(range.output_zero_point, range.low, range.high),
    };
    call.each_row(|x, y| K::requantize(&params, x, y).ok())
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
