//! `u_i = MB((x_i - z_i) << left_shift; m_i)`, `y = requantize(u_1 + u_2; m)`.

use super::{Activation, ensure, nd};
use crate::{KernelResult, Sum};

/// Computes every output.
pub fn run(p: &Sum<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> KernelResult {
    combine(p, input1, input2, output, |u1, u2| u1 + u2)
}

/// Scales both inputs, combines them, scales the result: what addition and subtraction share.
pub(super) fn combine<T: Activation>(
    p: &Sum<'_>,
    input1: &[T],
    input2: &[T],
    output: &mut [T],
    combine: impl Fn(i32, i32) -> i32,
) -> KernelResult {
    let [shape1, shape2] = p.shapes;
    ensure(nd::elements(shape1)? == input1.len() && nd::elements(shape2)? == input2.len())?;
    ensure(nd::elements(p.output_shape)? == output.len())?;
    let steps = [nd::broadcast_strides(shape1, p.output_shape)?, nd::broadcast_strides(shape2, p.output_shape)?];
    let scaled = |input: &[T], at: usize, i: usize| {
        p.multipliers[i].apply((input[at].into() - p.zero_points[i]) << p.left_shift, p.range.rounding)
    };
    let mut outputs = output.iter_mut();
    nd::walk(p.output_shape, [0, 0], steps, |[at1, at2]| {
        if let Some(y) = outputs.next() {
            let sum = combine(scaled(input1, at1, 0), scaled(input2, at2, 1));
            *y = T::bounded(p.range.requantize(sum, p.multiplier));
        }
    })
}
