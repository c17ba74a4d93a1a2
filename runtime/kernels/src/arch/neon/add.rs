//! Addition of two tensors of one shape, one of which has the multiplier 1/2: the importers scale both so.
//!
//! The half of `(x - z) << 20` is `(x - z) << 19`, exactly, in both roundings: SMLSL by -2^15 of `(x - z) << 4` adds it. For 16
//! values: 8 instructions for that input, 16 for the other (24 where halves go away from zero), 16 to 24 for the sum's
//! scaling and narrowing, 3 loads and stores.

use core::arch::aarch64::*;

use tanbo_quant::Multiplier;

use super::lanes::Bounds;
use super::uniform::{Uniform, by_sixteen_at, differences};
use crate::arch::arm::scaling;
use crate::{KernelResult, Output, Sum, reference};

/// Headroom that this kernel is written for, bits.
const LEFT_SHIFT: i32 = 20;
/// The multiplier 1/2.
const HALF: Multiplier = Multiplier { mantissa: 1 << 30, shift: 0 };

/// Computes every output.
pub fn run(p: &Sum<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> KernelResult {
    let length = output.len();
    let Some(plan) = Plan::new(p).filter(|_| input1.len() == length && input2.len() == length) else {
        return reference::add::run(p, input1, input2, output);
    };
    // SAFETY: slices of one length, the output apart from the others.
    unsafe { plan.outputs([input1.as_ptr(), input2.as_ptr()], output.as_mut_ptr(), length) };
    Ok(())
}

/// Computes every output where input `place` lies.
pub fn in_place(p: &Sum<'_>, place: usize, values: &mut [i8], other: &[i8]) -> KernelResult {
    let length = values.len();
    let Some(plan) = Plan::new(p).filter(|_| place < 2 && other.len() == length) else {
        return reference::add_in_place::run(p, place, values, other);
    };
    let output = values.as_mut_ptr();
    let inputs = if place == 0 { [output.cast_const(), other.as_ptr()] } else { [other.as_ptr(), output.cast_const()] };
    // SAFETY: slices of one length; one input is the output, the other apart from it.
    unsafe { plan.outputs(inputs, output, length) };
    Ok(())
}

/// An addition that this kernel computes: the first input has the multiplier 1/2.
struct Plan {
    swapped: bool,
    zero_points: [i32; 2],
    scale: Uniform,
    result: Uniform,
    modes: [i32; 2],
    range: Output,
}

impl Plan {
    fn new(p: &Sum<'_>) -> Option<Self> {
        let swapped = p.multipliers[0] != HALF;
        let [first, second] = if swapped { [1, 0] } else { [0, 1] };
        let elements = |shape: &[u32]| shape.iter().try_fold(1u32, |n, &axis| n.checked_mul(axis));
        let count = elements(p.output_shape)?;
        // Shapes that broadcast to one of as many elements are that shape.
        let same = p.shapes.iter().all(|shape| elements(shape) == Some(count));
        let int8 = |value: i32| i8::try_from(value).is_ok();
        let exact = same
            && p.multipliers[first] == HALF
            && p.left_shift == LEFT_SHIFT
            // So that nothing saturates: the difference has 9 bits.
            && (-30..=0).contains(&p.multipliers[second].shift)
            && p.zero_points.into_iter().all(int8)
            && [p.range.zero_point, p.range.low, p.range.high].into_iter().all(int8);
        if !exact {
            return None;
        }
        // What the inputs' sum is scaled from has no bounds: halves go away from zero.
        let wide = Output { low: i32::MIN, ..p.range };
        let (scale, mode) = Uniform::new(p.multipliers[second], &wide)?;
        let (result, result_mode) = Uniform::new(p.multiplier, &p.range)?;
        let zero_points = [p.zero_points[first], p.zero_points[second]];
        Some(Self { swapped, zero_points, scale, result, modes: [mode, result_mode], range: p.range })
    }

    /// Computes `length` outputs.
    ///
    /// # Safety
    /// The pointers are to as many values; each input is apart from the output, or begins where it does.
    unsafe fn outputs(&self, inputs: [*const i8; 2], output: *mut i8, length: usize) {
        let inputs = if self.swapped { [inputs[1], inputs[0]] } else { inputs };
        // Worth asking where there are many values: 8 instructions less for 16 of them.
        let halves = self.modes[0] == scaling::TFLITE
            && (length < 2048 || !self.scale.has_no_negative_half(self.zero_points[1], LEFT_SHIFT));
        // SAFETY: the caller's.
        unsafe {
            match (self.modes, halves) {
                ([scaling::SINGLE_LEFT, _], _) => {
                    self.run::<{ scaling::SINGLE_LEFT }, { scaling::SINGLE_LEFT }>(inputs, output, length);
                }
                ([_, scaling::TFLITE_POSITIVE], true) => {
                    self.run::<{ scaling::TFLITE }, { scaling::TFLITE_POSITIVE }>(inputs, output, length);
                }
                ([_, scaling::TFLITE_POSITIVE], false) => {
                    self.run::<{ scaling::TFLITE_POSITIVE }, { scaling::TFLITE_POSITIVE }>(inputs, output, length);
                }
                (_, true) => self.run::<{ scaling::TFLITE }, { scaling::TFLITE }>(inputs, output, length),
                (_, false) => self.run::<{ scaling::TFLITE_POSITIVE }, { scaling::TFLITE }>(inputs, output, length),
            }
        }
    }

    /// # Safety
    /// As for [`Plan::outputs`].
    #[inline(never)]
    unsafe fn run<const INPUT: i32, const RESULT: i32>(&self, inputs: [*const i8; 2], output: *mut i8, length: usize) {
        let bounds = Bounds::new(&self.range);
        // SAFETY: NEON is part of every AArch64 target of this crate.
        let zeros = self.zero_points.map(|zero_point| unsafe { vdupq_n_s8(zero_point as i8) });
        // Values that the compiler knows it would put other instructions for, more of them.
        let ([zero1, zero2], minus) = core::hint::black_box((zeros, [i16::MIN; 4]));
        let sums = |[x1, x2]: [int8x16_t; 2]| {
            // SAFETY: as above.
            unsafe {
                let minus = vld1_s16(minus.as_ptr());
                let [a, b] = differences(x1, zero1).map(|a| vshlq_n_s16::<4>(a));
                let [c, d] = differences(x2, zero2).map(|c| vshlq_n_s16::<4>(c));
                let sum = |halves: int16x4_t, others: int16x4_t| {
                    let scaled = self.scale.apply::<INPUT>(vshll_n_s16::<16>(others));
                    self.result.apply::<RESULT>(vmlsl_s16(scaled, halves, minus))
                };
                bounds.narrow::<true>([
                    sum(vget_low_s16(a), vget_low_s16(c)),
                    sum(vget_high_s16(a), vget_high_s16(c)),
                    sum(vget_low_s16(b), vget_low_s16(d)),
                    sum(vget_high_s16(b), vget_high_s16(d)),
                ])
            }
        };
        // SAFETY: the caller's.
        unsafe { by_sixteen_at(inputs, output, length, sums) }
    }
}
