//! `add_i16`, and how it and `sub_i16` call their kernels.

use tanbo_format::attrs;
use tanbo_kernels::{KernelResult, Kernels, Sum};

use super::{Call, add};

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    with_kernel(call, K::add_i16)
}

pub(super) fn with_kernel(
    call: &mut Call<'_, '_>,
    kernel: fn(&Sum<'_>, &[i16], &[i16], &mut [i16]) -> KernelResult,
) -> Option<()> {
    let (x1, x2) = (call.input(0)?, call.input(1)?);
    let params = add::params(call, attrs::Sum::from_i16(call.step.attrs)?)?;
    let (inputs, output) = call.split_int16()?;
    kernel(&params, inputs.int16(&x1)?, inputs.int16(&x2)?, output).ok()
}
