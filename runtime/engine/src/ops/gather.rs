//! `gather`.

use tanbo_kernels::{Gather, Kernels};

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let &[axis] = call.step.attrs else { return None };
    let x = call.input(0)?;
    let indices = call.step.constant(0)?.i32()?;
    let params = Gather { shape: x.shape, axis: axis as usize, indices, element_bytes: x.ty.bytes() };
    let (inputs, output) = call.split()?;
    K::gather(&params, inputs.bytes(&x)?, output).ok()
}
