//! `max_pool2d_i16`.

use tanbo_format::attrs::Pool;
use tanbo_kernels::Kernels;

use super::{Call, Params, ParamsRef, Records, max_pool2d};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    max_pool2d::params(records, Pool::from_i16(records.step.attrs)?)
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::MaxPool2d(params) = call.params else { return None };
    call.output_rows(|input, output, rows| K::max_pool2d_i16(params, input, output, rows))
}
