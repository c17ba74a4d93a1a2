//! `max_pool2d_i16`.

use tanbo_format::attrs::Pool;
use tanbo_kernels::{Kernels, MaxPool2d};

use super::{Call, image, window};

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let attributes = Pool::from_i16(call.step.attrs)?;
    let (x, y) = (call.input(0)?, call.output()?);
    let params = MaxPool2d {
        window: window(&attributes.window),
        input: image(&x)?,
        output: image(&y)?,
        bounds: [attributes.range.low, attributes.range.high],
    };
    call.output_rows(&x, |input, output, rows| K::max_pool2d_i16(&params, input, output, rows))
}
