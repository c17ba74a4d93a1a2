//! `y = average(Σ x - zx · n)` over the `n` values along the reduced axes; the division is in the multiplier. In single
//! rounding an exact half goes to the even neighbour.

use super::{Activation, ensure, nd};
use crate::{KernelResult, MAX_RANK, Mean};

/// Computes every output.
pub fn run(p: &Mean<'_>, input: &[i8], output: &mut [i8]) -> KernelResult {
    average(p, input, output)
}

pub(super) fn average<T: Activation>(p: &Mean<'_>, input: &[T], output: &mut [T]) -> KernelResult {
    ensure(p.shape.len() <= MAX_RANK && nd::elements(p.shape)? == input.len())?;
    // The input's axes in two sets: outer walk over the kept ones, inner walk over the reduced ones.
    let (mut kept, mut reduced) = ([1u32; MAX_RANK], [1u32; MAX_RANK]);
    for (axis, &length) in p.shape.iter().enumerate() {
        let set = if p.axes >> axis & 1 == 1 { &mut reduced } else { &mut kept };
        set[axis] = length;
    }
    let strides = nd::strides(p.shape);
    let count = nd::elements(&reduced)?;
    ensure(nd::elements(&kept)? == output.len())?;
    let mut outputs = output.iter_mut();
    nd::walk(&kept, [0], [strides], |[base]| {
        let mut sum = 0i32;
        let inner = nd::walk(&reduced, [base as isize], [strides], |[at]| sum += input[at].into());
        if let (Ok(()), Some(y)) = (inner, outputs.next()) {
            *y = T::bounded(p.range.average(sum - p.input_zero_point * count as i32, p.multiplier));
        }
    })
}
