//! `gather`.

use tanbo_kernels::{Gather, Kernels};

use super::{Call, Params, ParamsRef, Records};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    let &[axis] = records.step.attrs else { return None };
    let x = records.input(0)?;
    let indices = records.constant(0)?.i32()?;
    Some(Params::Gather(Gather { shape: x.shape, axis: axis as usize, indices, element_bytes: x.ty.bytes() }))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Gather(params) = call.params else { return None };
    call.whole(|input, output| K::gather(params, input, output))
}
