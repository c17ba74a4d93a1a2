//! Sums of tensors of one shape. The input with the larger scale has the multiplier 1/2, which is exact and needs no product;
//! other sums, and the last few values, take the reference's arithmetic.

use core::arch::naked_asm;

use tanbo_quant::{Multiplier, Rounding};

use super::scale::{product, word};
use super::{clamp, ensure};
use crate::{KernelResult, Sum, reference};

/// Headroom that the assembly knows.
const LEFT_SHIFT: i32 = 20;
const HALF: Multiplier = Multiplier { mantissa: 1 << 30, shift: 0 };

/// Computes every output.
pub fn run(p: &Sum<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> KernelResult {
    let elements = p.output_shape.iter().try_fold(1usize, |product, &axis| product.checked_mul(axis as usize));
    let Some(constants) = Constants::new(p).filter(|_| p.shapes == [p.output_shape; 2]) else {
        return reference::add::run(p, input1, input2, output);
    };
    ensure([Some(input1.len()), Some(input2.len()), Some(output.len())] == [elements; 3])?;
    let [scaled, halved] = if constants.scaled == 0 { [input1, input2] } else { [input2, input1] };
    // SAFETY: the three slices have the same length.
    unsafe { constants.add(p, scaled.as_ptr(), halved.as_ptr(), output.as_mut_ptr(), output.len()) };
    clamp(&p.range, output);
    Ok(())
}

/// Computes every output where input `place` was.
pub fn in_place(p: &Sum<'_>, place: usize, values: &mut [i8], other: &[i8]) -> KernelResult {
    let Some(constants) = Constants::new(p) else {
        return reference::add_in_place::run(p, place, values, other);
    };
    ensure(place < 2 && values.len() == other.len())?;
    let output = values.as_mut_ptr();
    let [scaled, halved] =
        if place == constants.scaled { [output.cast_const(), other.as_ptr()] } else { [other.as_ptr(), output] };
    // SAFETY: both slices have the same length; four values are read before four outputs are written where one of them was.
    unsafe { constants.add(p, scaled, halved, output, other.len()) };
    clamp(&p.range, values);
    Ok(())
}

struct Constants {
    /// Which input has another multiplier than 1/2.
    scaled: usize,
    multiplier: Multiplier,
    /// Zero points of the scaled and of the halved input.
    zero_points: [i32; 2],
    /// As the assembly loads them.
    words: [i32; 8],
}

impl Constants {
    /// Returns what the assembly needs, if it has the arithmetic of this sum.
    fn new(p: &Sum<'_>) -> Option<Self> {
        let scaled = match p.multipliers {
            [_, HALF] => 0,
            [HALF, _] => 1,
            _ => return None,
        };
        let (multiplier, zero_points) = (p.multipliers[scaled], [p.zero_points[scaled], p.zero_points[1 - scaled]]);
        let in_range = |m: Multiplier| (-23..=-1).contains(&m.shift);
        if !in_range(multiplier) || !in_range(p.multiplier) || p.left_shift != LEFT_SHIFT {
            return None;
        }
        let rounding = |m: Multiplier| (1 << (-m.shift - 1), -m.shift);
        let ((half1, shift1), (half, shift)) = (rounding(multiplier), rounding(p.multiplier));
        let words = [
            zero_points[0] << (LEFT_SHIFT + 1),
            multiplier.mantissa,
            half1,
            shift1,
            zero_points[1] << LEFT_SHIFT,
            p.multiplier.mantissa,
            (p.range.zero_point << shift) + half,
            shift,
        ];
        Some(Self { scaled, multiplier, zero_points, words })
    }

    /// Adds `count` values, without the bounds.
    ///
    /// # Safety
    /// Inputs and output must be valid for `count` values; the output may be one of the inputs.
    unsafe fn add(&self, p: &Sum<'_>, scaled: *const i8, halved: *const i8, output: *mut i8, count: usize) {
        let four = match p.range.rounding {
            Rounding::Single => single,
            Rounding::Tflite => tflite,
        };
        // SAFETY: as the caller promises; `four` is not called for nothing.
        unsafe {
            if count >= 4 {
                four(scaled, halved, output, count / 4, &self.words);
            }
            for at in count / 4 * 4..count {
                let (x1, x2) = (scaled.add(at).read(), halved.add(at).read());
                let scaled =
                    self.multiplier.apply((i32::from(x1) - self.zero_points[0]) << LEFT_SHIFT, p.range.rounding);
                let halved = (i32::from(x2) - self.zero_points[1]) << (LEFT_SHIFT - 1);
                output.add(at).write(p.range.requantize(scaled + halved, p.multiplier) as i8);
            }
        }
    }
}

macro_rules! operand {
    ($rounding:ident $acc:literal) => {
        concat!(
            "ldrsb ", $acc, ", [r0], #1\nrsb ", $acc, ", r8, ", $acc, ", lsl #21\n",
            product!($rounding $acc "r12"), "asr ", $acc, ", ", $acc, ", r11\n"
        )
    };
}
macro_rules! sum {
    ($rounding:ident $acc:literal) => {
        concat!(
            "ldrsb r12, [r1], #1\nrsb r12, r8, r12, lsl #20\nadd ", $acc, ", r12, ", $acc, ", lsl #1\n",
            product!($rounding $acc "r12"), "asr ", $acc, ", ", $acc, ", r11\nssat ", $acc, ", #8, ", $acc, "\n"
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
                operand!($name "r4"),
                operand!($name "r5"),
                operand!($name "r6"),
                operand!($name "r7"),
                "ldm lr, {{r8-r11}}",
                sum!($name "r4"),
                sum!($name "r5"),
                sum!($name "r6"),
                sum!($name "r7"),
                "sub lr, #16",
                word!("r4" "r5" "r6" "r7"),
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
