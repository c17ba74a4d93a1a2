//! `transpose`.

use tanbo_format::attrs;
use tanbo_kernels::{Kernels, Transpose};

use super::{Call, Params, ParamsRef, Records};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    let perm = attrs::transpose(records.step.attrs)?;
    let (x, y) = (records.input(0)?, records.output()?);
    let params = Transpose { input_shape: x.shape, output_shape: y.shape, perm, element_bytes: y.ty.bytes() };
    Some(Params::Transpose(params))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Transpose(params) = call.params else { return None };
    call.whole(|input, output| K::transpose(params, input, output))
}
