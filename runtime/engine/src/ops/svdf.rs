//! `svdf`: constants feature_weights, time_weights, bias; one state.

use tanbo_format::{ElementType, attrs};
use tanbo_kernels::{Kernels, StateMut, Svdf};

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let attributes = attrs::Svdf::from_words(call.step.attrs)?;
    let ty = call.model.tensor(*call.step.states.first()?)?.ty;
    let params = Svdf {
        rank: usize::try_from(attributes.rank).ok()?,
        input_zero_point: attributes.input_zero_point,
        state_zero_point: attributes.state_zero_point,
        feature_weights: call.step.constant(0)?.i8()?,
        time_weights: call.step.constant(1)?.i16()?,
        bias: call.step.constant(2)?.i32()?,
        feature: attributes.feature.get()?,
        multiplier: attributes.multiplier.get()?,
        range: call.range(attributes.output_zero_point, i32::from(i8::MIN), i32::from(i8::MAX)),
    };
    let areas = call.areas()?;
    let [state, _] = areas.states;
    let state = match ty {
        ElementType::I8 => StateMut::I8(bytemuck::cast_slice_mut(state)),
        _ => StateMut::I16(bytemuck::try_cast_slice_mut(state).ok()?),
    };
    K::svdf(&params, bytemuck::cast_slice(areas.input), state, bytemuck::cast_slice_mut(areas.output)).ok()
}
