//! `softmax_i16`: constants tables (TensorFlow Lite rounding) and exponentials (single rounding), one of them empty.

use tanbo_format::attrs;
use tanbo_kernels::{Kernels, SoftmaxI16};

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let x = call.input(0)?;
    let params = SoftmaxI16 {
        length: *x.shape.last()? as usize,
        multiplier: attrs::softmax_i16(call.step.attrs)?.get()?,
        rounding: call.step.rounding,
        tables: call.step.constant(0)?.i16()?,
        exponentials: call.step.constant(1)?.i32()?,
    };
    let (inputs, output) = call.split_int16()?;
    K::softmax_i16(&params, inputs.int16(&x)?, output).ok()
}
