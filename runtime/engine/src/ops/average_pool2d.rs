//! `average_pool2d`: constants mantissas, shifts (empty in TensorFlow Lite rounding). With scratch, it takes its input in row by row.

use tanbo_format::attrs::Pool;
use tanbo_kernels::{AveragePool2d, Kernels, Rows};

use super::{Call, image, row_layout, window};

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let attributes = Pool::from_average(call.step.attrs)?;
    let (x, y) = (call.input(0)?, call.output()?);
    let range = attributes.range;
    let params = AveragePool2d {
        window: window(&attributes.window),
        input: image(&x)?,
        output: image(&y)?,
        input_zero_point: range.input_zero_point,
        divisors: call.multipliers(0)?,
        range: call.range(range.output_zero_point, range.low, range.high),
    };
    if call.step.scratch.is_some() {
        let (x_bytes, x_slots) = row_layout(call.model, &x)?;
        let rows = call.rows.clone();
        let areas = call.areas()?;
        let input = Rows::new(bytemuck::cast_slice(areas.input), x_bytes, x_slots)?;
        // One sum for each output; the scratch may be longer.
        let sums = areas.scratch.get_mut(..areas.output.len().checked_mul(size_of::<i32>())?)?;
        let (sums, output) = (bytemuck::try_cast_slice_mut(sums).ok()?, bytemuck::cast_slice_mut(areas.output));
        return K::average_pool2d_absorb(&params, input, rows, sums, output).ok();
    }
    call.output_rows(&x, |input, output, rows| K::average_pool2d(&params, input, output, rows))
}
