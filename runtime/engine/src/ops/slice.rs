//! `slice`.

use tanbo_format::attrs;
use tanbo_kernels::{Kernels, Slice};

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let attributes = attrs::Slice::from_words(call.step.attrs)?;
    let (x, y) = (call.input(0)?, call.output()?);
    let params = Slice {
        input_shape: x.shape,
        output_shape: y.shape,
        begin: attributes.begin,
        stride: attributes.stride,
        element_bytes: y.ty.bytes(),
    };
    let (inputs, output) = call.split()?;
    K::slice(&params, inputs.bytes(&x)?, output).ok()
}
