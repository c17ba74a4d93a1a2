//! `y = requantize((x_1 - z_1) · (x_2 - z_2); m)`.

use super::{Activation, ensure, nd};
use crate::{KernelResult, Product};

/// Computes every output.
pub fn run(p: &Product<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> KernelResult {
    product(p, input1, input2, output)
}

pub(super) fn product<T: Activation>(p: &Product<'_>, input1: &[T], input2: &[T], output: &mut [T]) -> KernelResult {
    let [shape1, shape2] = p.shapes;
    ensure(nd::elements(shape1)? == input1.len() && nd::elements(shape2)? == input2.len())?;
    ensure(nd::elements(p.output_shape)? == output.len())?;
    let steps = [nd::broadcast_strides(shape1, p.output_shape)?, nd::broadcast_strides(shape2, p.output_shape)?];
    let mut outputs = output.iter_mut();
    nd::walk(p.output_shape, [0, 0], steps, |[at1, at2]| {
        if let Some(y) = outputs.next() {
            let (x1, x2): (i32, i32) = (input1[at1].into(), input2[at2].into());
            let product = (x1 - p.zero_points[0]) * (x2 - p.zero_points[1]);
            *y = T::bounded(p.range.requantize(product, p.multiplier));
        }
    })
}
