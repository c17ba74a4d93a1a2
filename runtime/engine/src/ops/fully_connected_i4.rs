//! `fully_connected_i4`: constants weights, bias, mantissas, shifts.

use tanbo_format::attrs;
use tanbo_kernels::Kernels;

use super::{Call, Params, ParamsRef, Records, fully_connected};
use crate::prepared::Nibbles;

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    let (range, depth) = attrs::fully_connected_i4(records.step.attrs)?;
    let params = fully_connected::params(records, range)?;
    Some(Params::FullyConnectedI4(Nibbles { params, depth: depth as usize }))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::FullyConnectedI4(Nibbles { params, depth }) = call.params else { return None };
    call.whole(|input, output| K::fully_connected_i4(params, *depth, input, output))
}
