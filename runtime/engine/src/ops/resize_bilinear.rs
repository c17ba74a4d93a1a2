//! `resize_bilinear`.

use tanbo_format::attrs;
use tanbo_kernels::{Interpolation, Kernels, ResizeBilinear};

use super::{Call, image};

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let attributes = attrs::ResizeBilinear::from_words(call.step.attrs)?;
    let range = attributes.requantize.range;
    let x = call.input(0)?;
    let constants = |first| Some((call.step.constant(first)?.i32()?, call.step.constant(first + 1)?.i32()?));
    let [row_unit, column_unit] = attributes.units;
    let ((rows, row_weights), (columns, column_weights)) = (constants(0)?, constants(2)?);
    let params = ResizeBilinear {
        input: image(&x)?,
        output: image(&call.output()?)?,
        axes: [
            Interpolation { positions: rows, weights: row_weights, unit: row_unit },
            Interpolation { positions: columns, weights: column_weights, unit: column_unit },
        ],
        input_zero_point: range.input_zero_point,
        multiplier: attributes.requantize.multiplier.get()?,
        range: call.range(range.output_zero_point, range.low, range.high),
    };
    let (inputs, output) = call.split_int8()?;
    K::resize_bilinear(&params, inputs.int8(&x)?, output).ok()
}
