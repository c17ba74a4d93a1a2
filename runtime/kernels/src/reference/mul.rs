//! `y = requantize((x_1 - z_1) · (x_2 - z_2); m)`.

use super::{ensure, nd};
use crate::{KernelResult, Product};

/// Computes every output.
pub fn run(p: &Product<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> KernelResult {
    let [shape1, shape2] = p.shapes;
    ensure(nd::elements(shape1)? == input1.len() && nd::elements(shape2)? == input2.len())?;
    ensure(nd::elements(p.output_shape)? == output.len())?;
    let steps = [nd::broadcast_strides(shape1, p.output_shape)?, nd::broadcast_strides(shape2, p.output_shape)?];
    let mut outputs = output.iter_mut();
    nd::walk(p.output_shape, [0, 0], steps, |[at1, at2]| {
        if let Some(y) = outputs.next() {
            let product = (i32::from(input1[at1]) - p.zero_points[0]) * (i32::from(input2[at2]) - p.zero_points[1]);
            *y = p.range.requantize(product, p.multiplier) as i8;
        }
    })
}
