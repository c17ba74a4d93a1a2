//! Operators with one multiplier for all values: its scaling in lanes.

use core::arch::aarch64::*;

use tanbo_quant::{Multiplier, Rounding};

use crate::Output;
use crate::arch::arm::scaling;

/// A multiplier in every lane.
#[derive(Clone, Copy)]
pub struct Uniform {
    mantissa: int32x4_t,
    right: int32x4_t,
    left: int32x4_t,
}

/// Least mantissa whose product with a saturated value surely lies outside int16.
const LEAST_MANTISSA: i32 = 1 << 20;

impl Uniform {
    /// Returns the multiplier with its way of scaling, one of [`scaling`], to `range`; `None` if lanes have none.
    #[inline]
    pub fn new(multiplier: Multiplier, range: &Output) -> Option<(Self, i32)> {
        let Multiplier { mantissa, shift } = multiplier;
        let (mode, right) = match range.rounding {
            Rounding::Single => (scaling::SINGLE_LEFT, shift.min(-1)),
            Rounding::Tflite if shift > 0 => return None,
            Rounding::Tflite if range.low >= range.zero_point || shift == 0 => (scaling::TFLITE_POSITIVE, shift),
            Rounding::Tflite => (scaling::TFLITE, shift),
        };
        if mantissa < LEAST_MANTISSA {
            return None;
        }
        // SAFETY: NEON is part of every AArch64 target of this crate.
        let [mantissa, right, left] = [mantissa, right, shift - right].map(|word| unsafe { vdupq_n_s32(word) });
        Some((Self { mantissa, right, left }, mode))
    }

    /// Returns whether no negative difference from `zero_point`, shifted left by `left_shift`, is scaled to a half, which
    /// TensorFlow Lite's rounding takes away from zero.
    pub fn has_no_negative_half(&self, zero_point: i32, left_shift: i32) -> bool {
        // SAFETY: NEON is part of every AArch64 target of this crate.
        unsafe {
            let one = vdupq_n_s32(1);
            // `s` is minus `right`; of `s = 0`, which has no halves, the bit below is 0.
            let half = vrshlq_s32(vshlq_s32(one, vnegq_s32(self.right)), vdupq_n_s32(-1));
            let half = vandq_s32(half, vreinterpretq_s32_u32(vcltzq_s32(self.right)));
            let fraction = vsubq_s32(vshlq_s32(one, vnegq_s32(self.right)), one);
            let mut found = vdupq_n_u32(0);
            let mut x = vaddq_s32(vld1q_s32([0, 1, 2, 3].as_ptr()), vdupq_n_s32(-128 - zero_point));
            for _ in 0..64 {
                let product = vqrdmulhq_s32(vshlq_s32(x, vdupq_n_s32(left_shift)), self.mantissa);
                let tie = vandq_u32(vceqq_s32(vandq_s32(product, fraction), half), vcltzq_s32(product));
                found = vorrq_u32(found, tie);
                x = vaddq_s32(x, vdupq_n_s32(4));
            }
            // Without a shift a product has no fraction and "half" is 0: no tie either.
            vmaxvq_u32(vandq_u32(found, vcltzq_s32(self.right))) == 0
        }
    }

    /// Returns `a` scaled.
    #[inline(always)]
    pub fn apply<const MODE: i32>(&self, a: int32x4_t) -> int32x4_t {
        // SAFETY: as above.
        unsafe {
            match MODE {
                scaling::SINGLE_LEFT => vrshlq_s32(vqdmulhq_s32(vqshlq_s32(a, self.left), self.mantissa), self.right),
                scaling::TFLITE_POSITIVE => vrshlq_s32(vqrdmulhq_s32(a, self.mantissa), self.right),
                _ => {
                    let product = vqrdmulhq_s32(a, self.mantissa);
                    vrshlq_s32(vsraq_n_s32::<31>(product, product), self.right)
                }
            }
        }
    }
}

/// Runs `each` for every 16 values, the last ones from a copy if there are fewer: outputs at the same place.
#[inline(always)]
pub fn by_sixteen<const N: usize>(
    inputs: [&[i8]; N],
    output: &mut [i8],
    each: impl FnMut([int8x16_t; N]) -> int8x16_t,
) {
    let length = inputs.iter().map(|input| input.len()).fold(output.len(), usize::min);
    // SAFETY: the slices have as many values, and the output is apart from the others.
    unsafe { by_sixteen_at(inputs.map(|input| input.as_ptr()), output.as_mut_ptr(), length, each) }
}

/// As [`by_sixteen`], of `length` values each.
///
/// # Safety
/// The pointers are to as many values; each input is apart from the output, or begins where it does.
#[inline(always)]
pub unsafe fn by_sixteen_at<const N: usize>(
    inputs: [*const i8; N],
    output: *mut i8,
    length: usize,
    mut each: impl FnMut([int8x16_t; N]) -> int8x16_t,
) {
    let whole = length / 16 * 16;
    let mut at = 0;
    while at < whole {
        // SAFETY: `at + 16 <= length`; what is read there is read before it is written.
        unsafe {
            let x = inputs.map(|input| vld1q_s8(input.add(at)));
            vst1q_s8(output.add(at), each(x));
        }
        at += 16;
    }
    let rest = length - whole;
    if rest > 0 {
        let mut buffers = [[0i8; 16]; N];
        let mut outputs = [0i8; 16];
        // SAFETY: the rest of the values, fewer than the buffers' 16.
        unsafe {
            for (buffer, input) in buffers.iter_mut().zip(&inputs) {
                core::ptr::copy_nonoverlapping(input.add(whole), buffer.as_mut_ptr(), rest);
            }
            vst1q_s8(outputs.as_mut_ptr(), each(buffers.map(|buffer| vld1q_s8(buffer.as_ptr()))));
            core::ptr::copy_nonoverlapping(outputs.as_ptr(), output.add(whole), rest);
        }
    }
}

/// Returns `x - zero_point` of 16 values, in two halves.
#[inline(always)]
pub fn differences(x: int8x16_t, zero_point: int8x16_t) -> [int16x8_t; 2] {
    // SAFETY: NEON is part of every AArch64 target of this crate.
    unsafe { [vsubl_s8(vget_low_s8(x), vget_low_s8(zero_point)), vsubl_high_s8(x, zero_point)] }
}
