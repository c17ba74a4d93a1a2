//! `y = average(Σ x)` in int16, over the values along the reduced axes; the division is in the multiplier.

use super::mean::average;
use crate::{KernelResult, Mean};

/// Computes every output.
pub fn run(p: &Mean<'_>, input: &[i16], output: &mut [i16]) -> KernelResult {
    average(p, input, output)
}
