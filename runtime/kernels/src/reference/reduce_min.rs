//! `y = min x` over the reduced axes.

use super::reduce_max::reduce;
use crate::{KernelResult, Reduction};

/// Computes every output.
pub fn run(p: &Reduction<'_>, input: &[u8], output: &mut [u8]) -> KernelResult {
    reduce(p, input, output, |best, x| x < best)
}
