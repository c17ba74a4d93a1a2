//! `y = requantize(x - zx; m)`, between int8, uint8 and int16.

use super::ensure;
use crate::{Integer, KernelResult, Requantize};

/// Computes every output.
pub fn run(p: &Requantize, input: &[u8], output: &mut [u8]) -> KernelResult {
    let (from, to) = (p.from.bytes(), p.to.bytes());
    ensure(input.len().is_multiple_of(from) && input.len() / from * to == output.len())?;
    for (x, y) in input.chunks_exact(from).zip(output.chunks_exact_mut(to)) {
        let x = match p.from {
            Integer::I8 => i32::from(x[0] as i8),
            Integer::U8 => i32::from(x[0]),
            Integer::I16 => i32::from(i16::from_le_bytes([x[0], x[1]])),
        };
        let value = p.range.requantize(x - p.input_zero_point, p.multiplier);
        y.copy_from_slice(&value.to_le_bytes()[..to]);
    }
    Ok(())
}
