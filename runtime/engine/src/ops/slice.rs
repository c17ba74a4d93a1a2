//! `slice`.

use tanbo_format::attrs;
use tanbo_kernels::{Kernels, Slice};

use super::{Call, Params, ParamsRef, Records};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    let attributes = attrs::Slice::from_words(records.step.attrs)?;
    let (x, y) = (records.input(0)?, records.output()?);
    Some(Params::Slice(Slice {
        input_shape: x.shape,
        output_shape: y.shape,
        begin: attributes.begin,
        stride: attributes.stride,
        element_bytes: y.ty.bytes(),
    }))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Slice(params) = call.params else { return None };
    call.whole(|input, output| K::slice(params, input, output))
}
