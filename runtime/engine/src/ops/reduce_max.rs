//! `reduce_max`, and the parameters it shares with `reduce_min`.

use tanbo_kernels::{KernelResult, Kernels, Reduction};

use super::Call;
use super::requantize::integer;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    with_kernel(call, K::reduce_max)
}

pub(super) fn with_kernel(
    call: &mut Call<'_, '_>,
    kernel: fn(&Reduction<'_>, &[u8], &mut [u8]) -> KernelResult,
) -> Option<()> {
    let &[axes] = call.step.attrs else { return None };
    let x = call.input(0)?;
    let params = Reduction { shape: x.shape, axes: axes as u32, ty: integer(x.ty)? };
    let (inputs, output) = call.split()?;
    kernel(&params, inputs.bytes(&x)?, output).ok()
}
