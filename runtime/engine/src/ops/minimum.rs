//! `minimum`, and the parameters it shares with `maximum`.

use tanbo_kernels::{Kernels, Pairwise};

use super::requantize::integer;
use super::{Call, Params, ParamsRef, Records};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    let (x1, x2, y) = (records.input(0)?, records.input(1)?, records.output()?);
    let params = Pairwise { shapes: [x1.shape, x2.shape], output_shape: y.shape, ty: integer(y.ty)? };
    records.pair(params).map(Params::Pairwise)
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Pairwise(pair) = call.params else { return None };
    call.whole_pair(&pair.other, |input1, input2, output| K::minimum(&pair.params, input1, input2, output))
}
