//! With `n = x_1 - z_1` and `d = x_2 - z_2`, both negated where d < 0: `y = clamp(floor((floor(n · m / d) + 2^(30-s)) / 2^(31-s))
//! + zy)`, exact; where d = 0, the bound that n points to, or zy.

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
            let numerator = i32::from(input1[at1]) - p.zero_points[0];
            *y = divide(p, numerator, i32::from(input2[at2]) - p.zero_points[1]) as i8;
        }
    })
}

fn divide(p: &Product<'_>, numerator: i32, denominator: i32) -> i32 {
    let (low, high) = (i64::from(p.range.low), i64::from(p.range.high));
    let quotient = if denominator == 0 {
        // Beyond every bound, on the side of the numerator.
        i64::from(numerator.signum()) << 40
    } else {
        let product = i64::from(numerator * denominator.signum()) * i64::from(p.multiplier.mantissa);
        let right = 31 - p.multiplier.shift;
        (product.div_euclid(i64::from(denominator.abs())) + (1 << (right - 1))) >> right
    };
    (quotient + i64::from(p.range.zero_point)).clamp(low, high) as i32
}
