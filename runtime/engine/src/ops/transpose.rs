//! `transpose`.

use tanbo_format::attrs;
use tanbo_kernels::{Kernels, Transpose};

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let perm = attrs::transpose(call.step.attrs)?;
    let (x, y) = (call.input(0)?, call.output()?);
    let params = Transpose { input_shape: x.shape, output_shape: y.shape, perm, element_bytes: y.ty.bytes() };
    let (inputs, output) = call.split()?;
    K::transpose(&params, inputs.bytes(&x)?, output).ok()
}
