//! Changes of scale, zero point or sign between types of 8 bits; the reference has those of 16.

use super::narrow::Narrow;
use crate::{Integer, KernelResult, Requantize, reference};

/// Computes every output.
pub(crate) fn requantize(p: &Requantize, input: &[u8], output: &mut [u8]) -> KernelResult {
    let bytes = p.from != Integer::I16 && p.to != Integer::I16 && input.len() == output.len();
    // The greatest difference of a value to a zero point of its type.
    let narrow = Narrow::new(p.multiplier, &p.range, 255).filter(|_| bytes);
    let (zero_point, Some(narrow)) = (p.input_zero_point, narrow) else {
        return reference::requantize::run(p, input, output);
    };
    match p.from {
        Integer::I8 if i8::try_from(zero_point).is_ok() => {
            let value = |&x: &u8| narrow.apply(i32::from(x as i8) - zero_point) as u8;
            input.iter().zip(output).for_each(|(x, y)| *y = value(x));
        }
        Integer::U8 if u8::try_from(zero_point).is_ok() => {
            input.iter().zip(output).for_each(|(&x, y)| *y = narrow.apply(i32::from(x) - zero_point) as u8);
        }
        _ => return reference::requantize::run(p, input, output),
    }
    Ok(())
}
