//! `concat`.

use tanbo_format::Model;
use tanbo_kernels::{Concat, Kernels};

use super::{Call, Params, ParamsRef, Records, Source};
use crate::prepared::{Part, Parts};

pub(crate) fn prepare<'m>(records: &Records<'_, 'm>) -> Option<Params<'m>> {
    Some(Params::Concat(Parts::Recorded(records.number)))
}

#[inline]
pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let ParamsRef::Concat(parts) = call.params else { return None };
    let model = call.work.model;
    let each = |part: &Part<'_>| {
        let (inputs, output) = call.split()?;
        K::concat(&part.params, inputs.bytes(&part.input)?, output).ok()
    };
    match *parts {
        Parts::Listed(parts) => parts.iter().try_for_each(each),
        Parts::Recorded(step) => for_each(model?, step, each),
    }
}

/// Calls `each` with every input in its turn.
pub(crate) fn for_each<'m>(model: &Model<'m>, step: u16, mut each: impl FnMut(&Part<'m>) -> Option<()>) -> Option<()> {
    let step = model.step(step)?;
    let &[axis] = step.attrs else { return None };
    let axis = axis as usize;
    let y = model.tensor(step.output)?;
    let mut begin = 0;
    for &input in step.inputs {
        let x = model.tensor(input)?;
        let params = Concat { input_shape: x.shape, output_shape: y.shape, axis, begin, element_bytes: y.ty.bytes() };
        each(&Part { params, input: Source::of(model, &x)? })?;
        begin += *x.shape.get(axis)? as usize;
    }
    Some(())
}
