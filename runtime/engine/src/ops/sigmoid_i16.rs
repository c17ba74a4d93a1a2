//! `sigmoid_i16`: constant table.

use tanbo_format::attrs;
use tanbo_kernels::{Kernels, SigmoidI16};

use super::Call;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let attributes = attrs::SigmoidI16::from_words(call.step.attrs)?;
    let params = SigmoidI16 {
        tanh: attributes.tanh != 0,
        multiplier: attributes.multiplier,
        right_shift: attributes.right_shift as u32,
        table: call.step.constant(0)?.i16()?,
    };
    call.each_row_i16(|x, y| K::sigmoid_i16(&params, x, y))
}
