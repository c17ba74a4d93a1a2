//! `u_i = MB(x_i << left_shift; m_i)`, `y = requantize(u_1 - u_2; m)` in int16.

use super::add::combine;
use crate::{KernelResult, Sum};

/// Computes every output.
pub fn run(p: &Sum<'_>, input1: &[i16], input2: &[i16], output: &mut [i16]) -> KernelResult {
    combine(p, input1, input2, output, |u1, u2| u1 - u2)
}
