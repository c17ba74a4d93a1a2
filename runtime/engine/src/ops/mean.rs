//! `mean`, and the parameters it shares with `mean_i16`.

use tanbo_format::attrs;
use tanbo_kernels::{Kernels, Mean};

use super::{Call, Params, ParamsRef, Records};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    params(records, attrs::Mean::from_words(records.step.attrs)?)
}

pub(super) fn params<'m>(records: &Records<'_, 'm>, attributes: attrs::Mean) -> Option<Params<'m>> {
    let range = attributes.requantize.range;
    Some(Params::Mean(Mean {
        shape: records.input(0)?.shape,
        axes: attributes.axes as u32,
        input_zero_point: range.input_zero_point,
        multiplier: attributes.requantize.multiplier.get()?,
        range: records.range(range.output_zero_point, range.low, range.high),
    }))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Mean(params) = call.params else { return None };
    call.whole(|input, output| K::mean(params, input, output))
}
