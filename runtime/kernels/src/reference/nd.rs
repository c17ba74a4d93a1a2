//! Walks over arrays of any rank.

use super::ensure;
use crate::{KernelResult, LengthError, MAX_RANK};

/// Returns the number of elements of a shape, or an error if it does not fit.
pub fn elements(shape: &[u32]) -> Result<usize, LengthError> {
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d as usize)).ok_or(LengthError)
}

/// Returns the distance in elements between neighbours along each axis of a row-major array.
pub fn strides(shape: &[u32]) -> [isize; MAX_RANK] {
    let mut strides = [0; MAX_RANK];
    let mut step = 1;
    for (stride, &length) in strides.iter_mut().take(shape.len()).zip(shape).rev() {
        *stride = step;
        step *= length as isize;
    }
    strides
}

/// Returns the strides with which an operand of shape `operand`, aligned at the last axis of `output`, repeats along its axes of 1.
pub fn broadcast_strides(operand: &[u32], output: &[u32]) -> Result<[isize; MAX_RANK], LengthError> {
    let missing = output.len().checked_sub(operand.len()).ok_or(LengthError)?;
    let own = strides(operand);
    let mut result = [0; MAX_RANK];
    for (axis, &length) in operand.iter().enumerate() {
        ensure(length == 1 || length == output[missing + axis])?;
        result[missing + axis] = if length == 1 { 0 } else { own[axis] };
    }
    Ok(result)
}

/// Calls `visit` for every index of `shape` in row-major order with `N` positions: `starts[i]` plus the index times `steps[i]`.
pub fn walk<const N: usize>(
    shape: &[u32],
    starts: [isize; N],
    steps: [[isize; MAX_RANK]; N],
    mut visit: impl FnMut([usize; N]),
) -> KernelResult {
    ensure(shape.len() <= MAX_RANK)?;
    let mut index = [0u32; MAX_RANK];
    let mut positions = starts;
    for _ in 0..elements(shape)? {
        visit(positions.map(|p| p as usize));
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            for (position, steps) in positions.iter_mut().zip(&steps) {
                *position += steps[axis];
            }
            if index[axis] < shape[axis] {
                break;
            }
            for (position, steps) in positions.iter_mut().zip(&steps) {
                *position -= steps[axis] * shape[axis] as isize;
            }
            index[axis] = 0;
        }
    }
    Ok(())
}

/// Copies the element at each of `input`'s positions to each of `output`'s; elements that lie side by side in both, at once.
pub fn copy(
    shape: &[u32],
    (input, input_start, input_steps): (&[u8], isize, [isize; MAX_RANK]),
    (output, output_start, output_steps): (&mut [u8], isize, [isize; MAX_RANK]),
    element_bytes: usize,
) -> KernelResult {
    ensure(shape.len() <= MAX_RANK)?;
    let (mut outer, mut together) = (shape.len(), 1);
    while let Some(axis) = outer.checked_sub(1) {
        let beside = together as isize;
        if shape[axis] != 1 && (input_steps[axis] != beside || output_steps[axis] != beside) {
            break;
        }
        together *= shape[axis] as usize;
        outer = axis;
    }
    let bytes = together * element_bytes;
    walk(&shape[..outer], [input_start, output_start], [input_steps, output_steps], |[from, to]| {
        output[to * element_bytes..][..bytes].copy_from_slice(&input[from * element_bytes..][..bytes]);
    })
}
