//! Products: of tensors of one shape, and of a tensor with what repeats along its first axes.

use super::narrow::Narrow;
use crate::arch::bare::Repeated;
use crate::{KernelResult, Product, reference};

/// Greatest product of two differences of int8 values.
const MOST: u32 = 255 * 255;

/// Computes every output.
pub(crate) fn mul(p: &Product<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> KernelResult {
    let int8 = |value: i32| i8::try_from(value).is_ok();
    let narrow = Narrow::new(p.multiplier, &p.range, MOST).filter(|_| p.zero_points.into_iter().all(int8));
    let repeated = Repeated::new(p, [input1.len(), input2.len()], output.len());
    let (Some(narrow), Some(repeated)) = (narrow, repeated) else {
        return reference::mul::run(p, input1, input2, output);
    };
    let ([long, short], [zero1, zero2]) = (repeated.sort([input1, input2]), repeated.sort(p.zero_points));
    for (x, y) in long.chunks_exact(repeated.length).zip(output.chunks_exact_mut(repeated.length)) {
        for ((&x1, &x2), y) in x.iter().zip(short).zip(y) {
            *y = narrow.apply((i32::from(x1) - zero1) * (i32::from(x2) - zero2)) as i8;
        }
    }
    Ok(())
}
