//! `minimum`, and the parameters it shares with `maximum`.

use tanbo_kernels::{KernelResult, Kernels, Pairwise};

use super::Call;
use super::requantize::integer;

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    with_kernel(call, K::minimum)
}

pub(super) fn with_kernel(
    call: &mut Call<'_, '_>,
    kernel: fn(&Pairwise<'_>, &[u8], &[u8], &mut [u8]) -> KernelResult,
) -> Option<()> {
    let (x1, x2, y) = (call.input(0)?, call.input(1)?, call.output()?);
    let params = Pairwise { shapes: [x1.shape, x2.shape], output_shape: y.shape, ty: integer(y.ty)? };
    let (inputs, output) = call.split()?;
    kernel(&params, inputs.bytes(&x1)?, inputs.bytes(&x2)?, output).ok()
}
