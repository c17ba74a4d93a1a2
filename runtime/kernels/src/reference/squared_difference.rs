//! `u_i = MB((x_i - z_i) << left_shift; m_i)`, `y = requantize((u_1 - u_2)²; m)`.

use super::add::combine;
use crate::{KernelResult, Sum};

/// Computes every output.
pub fn run(p: &Sum<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> KernelResult {
    combine(p, input1, input2, output, |u1, u2| (u1 - u2) * (u1 - u2))
}
