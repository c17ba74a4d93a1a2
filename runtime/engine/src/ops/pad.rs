//! `pad`.

use tanbo_format::attrs;
use tanbo_kernels::{Kernels, Pad};

use super::{Call, Params, ParamsRef, Records};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    let attributes = attrs::Pad::from_words(records.step.attrs)?;
    let (x, y) = (records.input(0)?, records.output()?);
    Some(Params::Pad(Pad {
        input_shape: x.shape,
        output_shape: y.shape,
        before: attributes.before,
        value: attributes.value.to_le_bytes(),
        element_bytes: y.ty.bytes(),
    }))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Pad(params) = call.params else { return None };
    call.whole(|input, output| K::pad(params, input, output))
}
