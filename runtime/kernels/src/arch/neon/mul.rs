//! Product of two tensors of one shape: 16 values by 4 SSUBL, 4 SMULL and the scaling of 4 vectors.

use core::arch::aarch64::*;

use super::lanes::Bounds;
use super::uniform::{Uniform, by_sixteen, differences};
use crate::arch::arm::scaling;
use crate::{KernelResult, Product, reference};

/// Computes every output.
pub fn run(p: &Product<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> KernelResult {
    let int8 = |value: i32| i8::try_from(value).is_ok();
    let elements = |shape: &[u32]| shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis as usize));
    let count = Some(output.len());
    // Shapes that broadcast to one of as many elements are that shape.
    let eligible = p.shapes.into_iter().chain([p.output_shape]).all(|shape| elements(shape) == count)
        && input1.len() == output.len()
        && input2.len() == output.len()
        && p.zero_points.into_iter().chain([p.range.zero_point, p.range.low, p.range.high]).all(int8);
    let Some((scale, mode)) = Uniform::new(p.multiplier, &p.range).filter(|_| eligible) else {
        return reference::mul::run(p, input1, input2, output);
    };
    match mode {
        scaling::SINGLE_LEFT => products::<{ scaling::SINGLE_LEFT }>(p, scale, [input1, input2], output),
        scaling::TFLITE_POSITIVE => products::<{ scaling::TFLITE_POSITIVE }>(p, scale, [input1, input2], output),
        _ => products::<{ scaling::TFLITE }>(p, scale, [input1, input2], output),
    }
    Ok(())
}

fn products<const MODE: i32>(p: &Product<'_>, scale: Uniform, inputs: [&[i8]; 2], output: &mut [i8]) {
    let bounds = Bounds::new(&p.range);
    // SAFETY: NEON is part of every AArch64 target of this crate.
    let [zero1, zero2] = p.zero_points.map(|zero_point| unsafe { vdupq_n_s8(zero_point as i8) });
    by_sixteen(inputs, output, |[x1, x2]| {
        let ([a, b], [c, d]) = (differences(x1, zero1), differences(x2, zero2));
        // SAFETY: as above.
        let products = unsafe {
            [
                vmull_s16(vget_low_s16(a), vget_low_s16(c)),
                vmull_high_s16(a, c),
                vmull_s16(vget_low_s16(b), vget_low_s16(d)),
                vmull_high_s16(b, d),
            ]
        };
        bounds.narrow::<true>(products.map(|product| scale.apply::<MODE>(product)))
    });
}
