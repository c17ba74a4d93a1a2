//! `max_pool2d`.

use tanbo_format::attrs::Pool;
use tanbo_kernels::{Kernels, MaxPool2d};

use super::{Call, Params, ParamsRef, Records, image, window};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    params(records, Pool::from_max(records.step.attrs)?)
}

/// Returns the parameters of a maximum pooling with these attributes.
pub(super) fn params<'m>(records: &Records<'_, 'm>, attributes: Pool) -> Option<Params<'m>> {
    Some(Params::MaxPool2d(MaxPool2d {
        window: window(&attributes.window),
        input: image(&records.input(0)?)?,
        output: image(&records.output()?)?,
        bounds: [attributes.range.low, attributes.range.high],
    }))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::MaxPool2d(params) = call.params else { return None };
    call.output_rows(|input, output, rows| K::max_pool2d(params, input, output, rows))
}
