//! `pad`.

use tanbo_format::attrs;
use tanbo_kernels::{Kernels, Pad};

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let attributes = attrs::Pad::from_words(call.step.attrs)?;
    let (x, y) = (call.input(0)?, call.output()?);
    let params = Pad {
        input_shape: x.shape,
        output_shape: y.shape,
        before: attributes.before,
        value: attributes.value.to_le_bytes(),
        element_bytes: y.ty.bytes(),
    };
    let (inputs, output) = call.split()?;
    K::pad(&params, inputs.bytes(&x)?, output).ok()
}
