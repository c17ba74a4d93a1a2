//! With `i = (x + 32768) >> b` and `r` the low `b` bits: `y = t[i] + ((t[i + 1] - t[i]) · r + 2^(b-1)) >> b`.
//!
//! With `b = 7` and 513 entries this is TensorFlow Lite's `LUTLookup` of 16 bits. With `b = 0` every value has its entry.

use super::ensure;
use crate::{KernelResult, LutI16};

/// Computes every output.
pub fn run(p: &LutI16<'_>, input: &[i16], output: &mut [i16]) -> KernelResult {
    let bits = p.interpolated_bits;
    ensure(bits <= 12 && p.table.len() == (1 << (16 - bits)) + 1 && input.len() == output.len())?;
    for (&x, y) in input.iter().zip(output) {
        *y = interpolate(p.table, bits, x);
    }
    Ok(())
}

/// Returns the value of a table whose length fits `bits`, at most 12, at `x`.
pub(super) fn interpolate(table: &[i16], bits: u32, x: i16) -> i16 {
    let place = (i32::from(x) + 32768) as usize;
    let (index, rest) = (place >> bits, (place & ((1 << bits) - 1)) as i32);
    let (base, next) = (i32::from(table[index]), i32::from(table[index + 1]));
    // Between the two entries: it fits.
    (base + (((next - base) * rest + ((1 << bits) >> 1)) >> bits)) as i16
}
