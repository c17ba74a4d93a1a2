//! `y = min(x_1, x_2)`.

use super::{ensure, nd};
use crate::{Integer, KernelResult, Pairwise};

/// Computes every output.
pub fn run(p: &Pairwise<'_>, input1: &[u8], input2: &[u8], output: &mut [u8]) -> KernelResult {
    choose(p, input1, input2, output, |x1, x2| x1 <= x2)
}

/// Copies the first input's element where `first` says so, else the second's: what minimum and maximum share.
pub(super) fn choose(
    p: &Pairwise<'_>,
    input1: &[u8],
    input2: &[u8],
    output: &mut [u8],
    first: impl Fn(i32, i32) -> bool,
) -> KernelResult {
    let [shape1, shape2] = p.shapes;
    let size = p.ty.bytes();
    ensure(nd::elements(shape1)? * size == input1.len() && nd::elements(shape2)? * size == input2.len())?;
    ensure(nd::elements(p.output_shape)? * size == output.len())?;
    let steps = [nd::broadcast_strides(shape1, p.output_shape)?, nd::broadcast_strides(shape2, p.output_shape)?];
    let mut outputs = output.chunks_exact_mut(size);
    nd::walk(p.output_shape, [0, 0], steps, |[at1, at2]| {
        if let Some(y) = outputs.next() {
            let (x1, x2) = (&input1[at1 * size..][..size], &input2[at2 * size..][..size]);
            y.copy_from_slice(if first(integer(p.ty, x1), integer(p.ty, x2)) { x1 } else { x2 });
        }
    })
}

/// Returns the value of a little-endian element.
pub(super) fn integer(ty: Integer, element: &[u8]) -> i32 {
    match (ty, element) {
        (Integer::I8, &[byte, ..]) => i32::from(byte as i8),
        (Integer::U8, &[byte, ..]) => i32::from(byte),
        (Integer::I16, &[low, high, ..]) => i32::from(i16::from_le_bytes([low, high])),
        _ => 0,
    }
}
