//! `resize_bilinear`.

use tanbo_format::attrs;
use tanbo_kernels::{Interpolation, Kernels, ResizeBilinear};

use super::{Call, Params, ParamsRef, Records, image};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    let attributes = attrs::ResizeBilinear::from_words(records.step.attrs)?;
    let range = attributes.requantize.range;
    let constants = |first| Some((records.constant(first)?.i32()?, records.constant(first + 1)?.i32()?));
    let [row_unit, column_unit] = attributes.units;
    let ((rows, row_weights), (columns, column_weights)) = (constants(0)?, constants(2)?);
    Some(Params::ResizeBilinear(ResizeBilinear {
        input: image(&records.input(0)?)?,
        output: image(&records.output()?)?,
        axes: [
            Interpolation { positions: rows, weights: row_weights, unit: row_unit },
            Interpolation { positions: columns, weights: column_weights, unit: column_unit },
        ],
        input_zero_point: range.input_zero_point,
        multiplier: attributes.requantize.multiplier.get()?,
        range: records.range(range.output_zero_point, range.low, range.high),
    }))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::ResizeBilinear(params) = call.params else { return None };
    call.whole(|input, output| K::resize_bilinear(params, input, output))
}
