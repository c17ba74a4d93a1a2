//! `svdf`: constants feature_weights, time_weights, bias; one state.

use tanbo_format::{ElementType, attrs};
use tanbo_kernels::{Kernels, StateMut, Svdf};

use super::{Call, Params, ParamsRef, Records, Stateful};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    let attributes = attrs::Svdf::from_words(records.step.attrs)?;
    let params = Svdf {
        rank: usize::try_from(attributes.rank).ok()?,
        input_zero_point: attributes.input_zero_point,
        state_zero_point: attributes.state_zero_point,
        feature_weights: records.constant(0)?.i8()?,
        time_weights: records.constant(1)?.i16()?,
        bias: records.constant(2)?.i32()?,
        feature: attributes.feature.get()?,
        multiplier: attributes.multiplier.get()?,
        range: records.range(attributes.output_zero_point, i32::from(i8::MIN), i32::from(i8::MAX)),
    };
    Some(Params::Svdf(Stateful::of(records, params, false)?))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Svdf(stateful) = call.params else { return None };
    let areas = call.areas_with(stateful)?;
    let [state, _] = areas.states;
    let state = match stateful.ty {
        ElementType::I8 => StateMut::I8(bytemuck::cast_slice_mut(state)),
        _ => StateMut::I16(bytemuck::try_cast_slice_mut(state).ok()?),
    };
    K::svdf(&stateful.params, bytemuck::cast_slice(areas.input), state, bytemuck::cast_slice_mut(areas.output)).ok()
}
