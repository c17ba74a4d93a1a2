//! `average_pool2d`: constants mantissas, shifts (empty in TensorFlow Lite rounding). With scratch, it takes its input in row by row.

use tanbo_format::attrs::{Pool, Range};
use tanbo_kernels::{AveragePool2d, Kernels, Rows};

use super::{Call, Params, ParamsRef, Records, image, window};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    params(records, Pool::from_average(records.step.attrs)?)
}

/// Returns the parameters of an average pooling with these attributes.
pub(super) fn params<'m>(records: &Records<'_, 'm>, attributes: Pool) -> Option<Params<'m>> {
    let Range { input_zero_point, output_zero_point, low, high } = attributes.range;
    Some(Params::AveragePool2d(AveragePool2d {
        window: window(&attributes.window),
        input: image(&records.input(0)?)?,
        output: image(&records.output()?)?,
        input_zero_point,
        divisors: records.multipliers(0)?,
        range: records.range(output_zero_point, low, high),
    }))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::AveragePool2d(params) = call.params else { return None };
    if call.operands.scratch.bytes > 0 {
        let (layout, rows) = (call.operands.input.rows, call.work.rows.clone());
        let areas = call.areas()?;
        let input = Rows::new(bytemuck::cast_slice(areas.input), layout.bytes as usize, layout.slots as usize)?;
        // One sum for each output; the scratch may be longer.
        let sums = areas.scratch.get_mut(..areas.output.len().checked_mul(size_of::<i32>())?)?;
        let (sums, output) = (bytemuck::try_cast_slice_mut(sums).ok()?, bytemuck::cast_slice_mut(areas.output));
        return K::average_pool2d_absorb(params, input, rows, sums, output).ok();
    }
    call.output_rows(|input, output, rows| K::average_pool2d(params, input, output, rows))
}
