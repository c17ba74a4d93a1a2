//! `reduce_max`, and the parameters it shares with `reduce_min`.

use tanbo_kernels::{Kernels, Reduction};

use super::requantize::integer;
use super::{Call, Params, ParamsRef, Records};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    let &[axes] = records.step.attrs else { return None };
    let x = records.input(0)?;
    Some(Params::Reduction(Reduction { shape: x.shape, axes: axes as u32, ty: integer(x.ty)? }))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Reduction(params) = call.params else { return None };
    call.whole(|input, output| K::reduce_max(params, input, output))
}
