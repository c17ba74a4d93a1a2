//! Sums of tensors of one shape. The input with the larger scale has the multiplier 1/2, which is exact and needs no product;
//! other sums, and the last few values, take the reference's arithmetic.

use core::arch::naked_asm;

use tanbo_quant::{Multiplier, Rounding};

use super::{clamp, ensure};
use crate::{KernelResult, Sum, reference};

/// Headroom that the assembly knows.
const LEFT_SHIFT: i32 = 20;
const HALF: Multiplier = Multiplier { mantissa: 1 << 30, shift: 0 };

/// Computes every output.
pub fn run(p: &Sum<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> KernelResult {
    let inputs = match p.multipliers {
        [m, HALF] => Some(([input1, input2], p.zero_points, m)),
        [HALF, m] => Some(([input2, input1], [p.zero_points[1], p.zero_points[0]], m)),
        _ => None,
    };
    let in_range = |m: Multiplier| (-23..=-1).contains(&m.shift);
    let same = p.shapes == [p.output_shape; 2] && p.left_shift == LEFT_SHIFT;
    let Some(([scaled, halved], zero_points, multiplier)) = inputs.filter(|i| same && in_range(i.2)) else {
        return reference::add::run(p, input1, input2, output);
    };
    if !in_range(p.multiplier) {
        return reference::add::run(p, input1, input2, output);
    }
    let elements = p.output_shape.iter().try_fold(1usize, |product, &axis| product.checked_mul(axis as usize));
    ensure([Some(input1.len()), Some(input2.len()), Some(output.len())] == [elements; 3])?;
    let rounding = |m: Multiplier| (1 << (-m.shift - 1), -m.shift);
    let ((half1, shift1), (half, shift)) = (rounding(multiplier), rounding(p.multiplier));
    let constants = [
        zero_points[0] << (LEFT_SHIFT + 1),
        multiplier.mantissa,
        half1,
        shift1,
        zero_points[1] << LEFT_SHIFT,
        p.multiplier.mantissa,
        (p.range.zero_point << shift) + half,
        shift,
    ];
    let fours = output.len() / 4;
    if fours > 0 {
        let four = match p.range.rounding {
            Rounding::Single => single,
            Rounding::Tflite => tflite,
        };
        // SAFETY: the three slices have the same length, at least `4 · fours`.
        unsafe { four(scaled.as_ptr(), halved.as_ptr(), output.as_mut_ptr(), fours, &constants) }
    }
    let done = 4 * fours;
    for (y, (&x1, &x2)) in output[done..].iter_mut().zip(scaled[done..].iter().zip(&halved[done..])) {
        let scaled = multiplier.apply((i32::from(x1) - zero_points[0]) << LEFT_SHIFT, p.range.rounding);
        let halved = (i32::from(x2) - zero_points[1]) << (LEFT_SHIFT - 1);
        *y = p.range.requantize(scaled + halved, p.multiplier) as i8;
    }
    clamp(&p.range, output);
    Ok(())
}

// The product of `$acc`, twice a value, with r9, as `RD(HM(..)) + ..` or rounded once, before the shift by r11.
macro_rules! product {
    (tflite $acc:literal) => {
        concat!("add r12, r10, ", $acc, ", asr #31\nsmmlar ", $acc, ", ", $acc, ", r9, r12\n")
    };
    (single $acc:literal) => {
        concat!("smmla ", $acc, ", ", $acc, ", r9, r10\n")
    };
}
macro_rules! scaled {
    ($rounding:ident $acc:literal) => {
        concat!(
            "ldrsb ", $acc, ", [r0], #1\nrsb ", $acc, ", r8, ", $acc, ", lsl #21\n",
            product!($rounding $acc), "asr ", $acc, ", ", $acc, ", r11\n"
        )
    };
}
macro_rules! sum {
    ($rounding:ident $acc:literal) => {
        concat!(
            "ldrsb r12, [r1], #1\nrsb r12, r8, r12, lsl #20\nadd ", $acc, ", r12, ", $acc, ", lsl #1\n",
            product!($rounding $acc), "asr ", $acc, ", ", $acc, ", r11\nssat ", $acc, ", #8, ", $acc, "\n"
        )
    };
}
// Registers: r0 r1 inputs, r2 output, r3 rounds left, r4-r7 values, r8-r11 constants, r12 temporary, lr constants.
macro_rules! four {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// Inputs and output must be valid for `4 · fours` values; `fours` is not 0.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(
            scaled: *const i8,
            halved: *const i8,
            output: *mut i8,
            fours: usize,
            constants: &[i32; 8],
        ) {
            naked_asm!(
                super::isa!(),
                "push {{r4-r11, lr}}",
                "ldr lr, [sp, #36]",
                "2:",
                "ldm lr!, {{r8-r11}}",
                scaled!($name "r4"),
                scaled!($name "r5"),
                scaled!($name "r6"),
                scaled!($name "r7"),
                "ldm lr, {{r8-r11}}",
                sum!($name "r4"),
                sum!($name "r5"),
                sum!($name "r6"),
                sum!($name "r7"),
                "sub lr, #16",
                "bfi r4, r5, #8, #8",
                "bfi r6, r7, #8, #8",
                "pkhbt r4, r4, r6, lsl #16",
                "str r4, [r2], #4",
                "subs r3, #1",
                "bne 2b",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}

four! {
    /// Four sums a round in TensorFlow Lite's rounding: 57 instructions.
    tflite
}
four! {
    /// Four sums a round in single rounding: 49 instructions.
    single
}
