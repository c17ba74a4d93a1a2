//! `softmax`: constant exponentials (empty in TensorFlow Lite rounding).

use tanbo_format::attrs;
use tanbo_kernels::{Kernels, Softmax};

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let attributes = attrs::Softmax::from_words(call.step.attrs)?;
    let x = call.input(0)?;
    let params = Softmax {
        length: *x.shape.last()? as usize,
        multiplier: attributes.multiplier.get()?,
        diff_min: attributes.diff_min,
        exponentials: call.step.constant(0)?.i32()?,
        range: call.range(attributes.output_zero_point, i32::from(i8::MIN), i32::from(i8::MAX)),
    };
    let (inputs, output) = call.split_int8()?;
    K::softmax(&params, inputs.int8(&x)?, output).ok()
}
