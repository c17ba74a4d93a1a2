//! `add` of two inputs of one shape, written where the input `place` was.

use super::ensure;
use crate::{KernelResult, Sum};

/// Computes every output.
pub fn run(p: &Sum<'_>, place: usize, values: &mut [i8], other: &[i8]) -> KernelResult {
    ensure(place < 2 && values.len() == other.len())?;
    let scaled = |x: i8, input: usize| {
        p.multipliers[input].apply((i32::from(x) - p.zero_points[input]) << p.left_shift, p.range.rounding)
    };
    for (value, &other) in values.iter_mut().zip(other) {
        let sum = scaled(*value, place) + scaled(other, 1 - place);
        *value = p.range.requantize(sum, p.multiplier) as i8;
    }
    Ok(())
}
