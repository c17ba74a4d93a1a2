//! `y = requantize(x_1 · x_2; m)` in int16.

use super::mul::product;
use crate::{KernelResult, Product};

/// Computes every output.
pub fn run(p: &Product<'_>, input1: &[i16], input2: &[i16], output: &mut [i16]) -> KernelResult {
    product(p, input1, input2, output)
}
