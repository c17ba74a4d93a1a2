//! Change of scale between int8 tensors: 16 values by 2 SSUBL, 4 SXTL and the scaling of 4 vectors.

use core::arch::aarch64::*;

use super::lanes::Bounds;
use super::uniform::{Uniform, by_sixteen, differences};
use crate::arch::arm::scaling;
use crate::{Integer, KernelResult, Requantize, reference};

/// Computes every output.
pub fn run(p: &Requantize, input: &[u8], output: &mut [u8]) -> KernelResult {
    let int8 = |value: i32| i8::try_from(value).is_ok();
    let eligible = p.from == Integer::I8
        && p.to == Integer::I8
        && input.len() == output.len()
        && [p.input_zero_point, p.range.zero_point, p.range.low, p.range.high].into_iter().all(int8);
    let Some((scale, mode)) = Uniform::new(p.multiplier, &p.range).filter(|_| eligible) else {
        return reference::requantize::run(p, input, output);
    };
    // SAFETY: every byte is an int8.
    let (input, output) = unsafe {
        (
            core::slice::from_raw_parts(input.as_ptr().cast::<i8>(), input.len()),
            core::slice::from_raw_parts_mut(output.as_mut_ptr().cast::<i8>(), output.len()),
        )
    };
    match mode {
        scaling::SINGLE_LEFT => values::<{ scaling::SINGLE_LEFT }>(p, scale, input, output),
        scaling::TFLITE_POSITIVE => values::<{ scaling::TFLITE_POSITIVE }>(p, scale, input, output),
        _ => values::<{ scaling::TFLITE }>(p, scale, input, output),
    }
    Ok(())
}

fn values<const MODE: i32>(p: &Requantize, scale: Uniform, input: &[i8], output: &mut [i8]) {
    let bounds = Bounds::new(&p.range);
    // SAFETY: NEON is part of every AArch64 target of this crate.
    let zero_point = unsafe { vdupq_n_s8(p.input_zero_point as i8) };
    by_sixteen([input], output, |[x]| {
        let [a, b] = differences(x, zero_point);
        // SAFETY: as above.
        let wide =
            unsafe { [vmovl_s16(vget_low_s16(a)), vmovl_high_s16(a), vmovl_s16(vget_low_s16(b)), vmovl_high_s16(b)] };
        bounds.narrow::<true>(wide.map(|difference| scale.apply::<MODE>(difference)))
    });
}
