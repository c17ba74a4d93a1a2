//! `mean_i16`.

use tanbo_format::attrs;
use tanbo_kernels::Kernels;

use super::{Call, mean::params};

pub(crate) fn run<K: Kernels>(call: &mut Call<'_, '_>) -> Option<()> {
    let x = call.input(0)?;
    let params = params(call, &attrs::Mean::from_i16(call.step.attrs)?, &x)?;
    let (inputs, output) = call.split_int16()?;
    K::mean_i16(&params, inputs.int16(&x)?, output).ok()
}
