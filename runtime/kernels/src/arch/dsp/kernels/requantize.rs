//! Changes of scale, zero point or sign between types of 8 bits; the reference has those of 16.

use core::arch::naked_asm;

use super::scale::{Scale, Way, halves, scaled, word};
use super::{clamp, ensure};
use crate::{Integer, KernelResult, Output, Requantize, reference};

/// A byte's sign, which tells uint8 from int8 with a zero point 128 less.
const SIGNS: u32 = 0x8080_8080;
/// What uint8 counts more than int8.
const MORE: i32 = 128;

/// Computes every output.
pub fn run(p: &Requantize, input: &[u8], output: &mut [u8]) -> KernelResult {
    let unsigned = [p.from == Integer::U8, p.to == Integer::U8];
    let [less, moved] = unsigned.map(|unsigned| if unsigned { MORE } else { 0 });
    let range = Output {
        zero_point: p.range.zero_point - moved,
        low: p.range.low - moved,
        high: p.range.high - moved,
        rounding: p.range.rounding,
    };
    let zero_point = p.input_zero_point - less;
    // A factor of at most 2^14, twice that with the doubling, is a halfword.
    let scale = Scale::new(p.multiplier, &range).filter(|scale| {
        p.from != Integer::I16 && p.to != Integer::I16 && scale.left <= 13 && i8::try_from(zero_point).is_ok()
    });
    let Some(scale) = scale.filter(|_| output.len() >= 4) else {
        return reference::requantize::run(p, input, output);
    };
    ensure(input.len() == output.len())?;
    let four = match scale.way {
        Way::Single => single,
        Way::Tflite => tflite,
        Way::Left => left,
    };
    let [mantissa, addend, shift] = scale.words;
    let flip = if unsigned[0] { SIGNS as i32 } else { 0 };
    let constants = [flip, halves(-zero_point), mantissa, addend, shift, 2 << scale.left];
    let length = output.len();
    // SAFETY: both have `length` values, at least four. The last four are computed twice where four do not divide it.
    unsafe {
        four(input.as_ptr(), output.as_mut_ptr(), length / 4, &constants);
        if !length.is_multiple_of(4) {
            four(input.as_ptr().add(length - 4), output.as_mut_ptr().add(length - 4), 1, &constants);
        }
    }
    // SAFETY: every byte is an int8.
    let (_, values, _) = unsafe { output.align_to_mut::<i8>() };
    clamp(&range, values);
    if unsigned[1] {
        output.iter_mut().for_each(|y| *y ^= SIGNS as u8);
    }
    Ok(())
}

// Registers: r0 input, r1 output, r2 rounds left, r3 bits to flip, r4-r7 values, r8 zero point, negative, in both halves, r9-r11 the
// scale, r12 free, lr what values are multiplied by before.
macro_rules! four {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// Input and output must be valid for `4 · fours` values, and apart; `fours` is not 0.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(input: *const u8, output: *mut u8, fours: usize, constants: &[i32; 6]) {
            naked_asm!(
                super::isa!(),
                "push {{r4-r11, lr}}",
                "mov lr, r3",
                "ldm lr, {{r3, r8-r11, lr}}",
                "2:",
                "ldr r12, [r0], #4",
                "eor r12, r3",
                "sxtab16 r6, r8, r12",
                "sxtab16 r7, r8, r12, ror #8",
                "smulbb r4, r6, lr",
                "smultb r6, r6, lr",
                "smulbb r5, r7, lr",
                "smultb r7, r7, lr",
                scaled!($name "r4" "r12"),
                scaled!($name "r5" "r12"),
                scaled!($name "r6" "r12"),
                scaled!($name "r7" "r12"),
                word!("r4" "r5" "r6" "r7"),
                "str r4, [r1], #4",
                "subs r2, #1",
                "bne 2b",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}

four! {
    /// Four values a round in single rounding: 26 instructions.
    single
}
four! {
    /// Four values a round in TensorFlow Lite's rounding: 30 instructions.
    tflite
}
four! {
    /// Four values a round that only the first of TensorFlow Lite's roundings touches: 22 instructions.
    left
}
