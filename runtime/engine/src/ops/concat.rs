//! `concat`.

use tanbo_kernels::{Concat, Kernels};

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let &[axis] = call.step.attrs else { return None };
    let axis = axis as usize;
    let y = call.output()?;
    let mut begin = 0;
    for index in 0..call.step.inputs.len() {
        let x = call.input(index)?;
        let params = Concat { input_shape: x.shape, output_shape: y.shape, axis, begin, element_bytes: y.ty.bytes() };
        let (inputs, output) = call.split()?;
        K::concat(&params, inputs.bytes(&x)?, output).ok()?;
        begin += *x.shape.get(axis)? as usize;
    }
    Some(())
}
