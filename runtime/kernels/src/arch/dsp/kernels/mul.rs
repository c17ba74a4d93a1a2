//! Products: of tensors of one shape, and of a tensor with what repeats along its first axes.

use core::arch::naked_asm;

use super::clamp;
use super::scale::{Scale, Way, halves, scaled, word};
use crate::arch::bare::Repeated;
use crate::{KernelResult, Product, reference};

/// Computes every output.
pub fn run(p: &Product<'_>, input1: &[i8], input2: &[i8], output: &mut [i8]) -> KernelResult {
    let int8 = |value: i32| i8::try_from(value).is_ok();
    let scale =
        Scale::new(p.multiplier, &p.range).filter(|scale| scale.left == 0 && p.zero_points.into_iter().all(int8));
    let repeated = Repeated::new(p, [input1.len(), input2.len()], output.len()).filter(|repeated| repeated.length >= 4);
    let (Some(scale), Some(repeated)) = (scale, repeated) else {
        return reference::mul::run(p, input1, input2, output);
    };
    let ([long, short], [zero1, zero2]) = (repeated.sort([input1, input2]), repeated.sort(p.zero_points));
    let length = repeated.length;
    let four = match scale.way {
        Way::Single => single,
        Way::Tflite => tflite,
        Way::Left => left,
    };
    let [mantissa, addend, shift] = scale.words;
    let constants = [halves(-zero1), mantissa, addend, shift, halves(-zero2)];
    for (x, y) in long.chunks_exact(length).zip(output.chunks_exact_mut(length)) {
        // SAFETY: the three have `length` values, at least four. The last four are computed twice where four do not divide it.
        unsafe {
            four(x.as_ptr(), short.as_ptr(), y.as_mut_ptr(), length / 4, &constants);
            if !length.is_multiple_of(4) {
                let at = length - 4;
                four(x.as_ptr().add(at), short.as_ptr().add(at), y.as_mut_ptr().add(at), 1, &constants);
            }
        }
    }
    clamp(&p.range, output);
    Ok(())
}

// Registers: r0 r1 inputs, r2 output, r3 rounds left, r4-r7 r12 values, r8 and lr zero points, negative, in both halves, r9-r11 the
// scale.
macro_rules! four {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// Inputs and output must be valid for `4 · fours` values, and apart; `fours` is not 0.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(
            input1: *const i8,
            input2: *const i8,
            output: *mut i8,
            fours: usize,
            constants: &[i32; 5],
        ) {
            naked_asm!(
                super::isa!(),
                "push {{r4-r11, lr}}",
                "ldr lr, [sp, #36]",
                "ldm lr, {{r8-r11, lr}}",
                "2:",
                "ldr r12, [r0], #4",
                "sxtab16 r4, r8, r12",
                "sxtab16 r5, r8, r12, ror #8",
                "ldr r12, [r1], #4",
                "sxtab16 r6, lr, r12",
                "sxtab16 r7, lr, r12, ror #8",
                "sadd16 r4, r4, r4",
                "sadd16 r5, r5, r5",
                "smulbb r12, r4, r6",
                "smultt r6, r4, r6",
                "smulbb r4, r5, r7",
                "smultt r7, r5, r7",
                scaled!($name "r12" "r5"),
                scaled!($name "r4" "r5"),
                scaled!($name "r6" "r5"),
                scaled!($name "r7" "r5"),
                word!("r12" "r4" "r6" "r7"),
                "str r12, [r2], #4",
                "subs r3, #1",
                "bne 2b",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}

four! {
    /// Four products a round in single rounding: 30 instructions.
    single
}
four! {
    /// Four products a round in TensorFlow Lite's rounding: 34 instructions.
    tflite
}
four! {
    /// Four products a round that only the first of TensorFlow Lite's roundings touches: 26 instructions.
    left
}
