//! `y = max(x_1, x_2)`.

use super::minimum::choose;
use crate::{KernelResult, Pairwise};

/// Computes every output.
pub fn run(p: &Pairwise<'_>, input1: &[u8], input2: &[u8], output: &mut [u8]) -> KernelResult {
    choose(p, input1, input2, output, |x1, x2| x1 >= x2)
}
