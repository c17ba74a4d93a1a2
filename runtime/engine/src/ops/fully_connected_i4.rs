//! `fully_connected_i4`: constants weights, bias, mantissas, shifts.

use tanbo_format::attrs;
use tanbo_kernels::Kernels;

use super::{Call, fully_connected};

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let (range, depth) = attrs::fully_connected_i4(call.step.attrs)?;
    let params = fully_connected::params(call, range)?;
    let x = call.input(0)?;
    let (inputs, output) = call.split_int8()?;
    K::fully_connected_i4(&params, depth as usize, inputs.int8(&x)?, output).ok()
}
