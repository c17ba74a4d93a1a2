//! Depthwise windows of any size: one pixel, four channels at a time, each tap found through a pointer.

use core::arch::naked_asm;

/// What [`pixel`] works on. The layout is known to the assembly below.
#[repr(C)]
pub struct Pixel {
    /// One pointer per tap, to its pixel's first channel.
    pub sources: *const *const i8,
    /// Taps.
    pub taps: usize,
    /// First channel.
    pub at: usize,
    /// Weights: for each four channels and each tap the halfwords of channels 0 2 1 3.
    pub weights: *const i8,
    /// Records of the channels: bias, mantissa, rounding constant, shift.
    pub records: *const i32,
    /// First output.
    pub output: *mut i8,
    /// Channels, a multiple of four.
    pub channels: usize,
    /// 1 for TensorFlow Lite's rounding, 0 for single rounding.
    pub tflite: usize,
}

// As in `window3x3`: the sum is twice the true one.
macro_rules! requantize {
    ($acc:literal) => {
        concat!(
            "ldm r0!, {{r1, r2, r3, r8}}\nadd ",
            $acc,
            ", r1\nite ne\n",
            "addne r3, r3, ",
            $acc,
            ", asr #31\nsmmlaeq ",
            $acc,
            ", ",
            $acc,
            ", r2, r3\nit ne\nsmmlarne ",
            $acc,
            ", ",
            $acc,
            ", r2, r3\nasr ",
            $acc,
            ", ",
            $acc,
            ", r8\nssat ",
            $acc,
            ", #8, ",
            $acc,
            "\n"
        )
    };
}

/// Computes the channels of one output pixel: 11 instructions for four MACs.
///
/// Registers: r0 pointers, r1 r3 activations, r2 channel, r4-r7 sums, r8 r9 weights, r10 taps left, r12 weight pointer.
///
/// # Safety
/// All pointers must be valid for what the counts say; weights and records must be aligned to 4 bytes. No count is 0.
#[unsafe(naked)]
pub unsafe extern "C" fn pixel(pixel: *mut Pixel) {
    naked_asm!(
        super::isa!(),
        "push {{r4-r11, lr}}",
        "mov lr, r0",
        "ldr r2, [lr, #8]",
        "ldrd r12, r11, [lr, #12]",
        "2:",
        "ldrd r0, r10, [lr]",
        "movs r4, #0",
        "movs r5, #0",
        "movs r6, #0",
        "movs r7, #0",
        "3:",
        "ldr r1, [r0], #4",
        "ldr r1, [r1, r2]",
        "ldrd r8, r9, [r12], #8",
        "sxtb16 r3, r1",
        "sxtb16 r1, r1, ror #8",
        "smlabb r4, r3, r8, r4",
        "smlatt r6, r3, r8, r6",
        "smlabb r5, r1, r9, r5",
        "smlatt r7, r1, r9, r7",
        "subs r10, #1",
        "bne 3b",
        "mov r10, r2",
        "mov r0, r11",
        "ldr r9, [lr, #28]",
        "cmp r9, #0",
        requantize!("r4"),
        requantize!("r5"),
        requantize!("r6"),
        requantize!("r7"),
        "mov r11, r0",
        "bfi r4, r5, #8, #8",
        "bfi r6, r7, #8, #8",
        "pkhbt r4, r4, r6, lsl #16",
        "ldr r0, [lr, #20]",
        "str r4, [r0], #4",
        "str r0, [lr, #20]",
        "add r2, r10, #4",
        "ldr r0, [lr, #24]",
        "subs r0, #4",
        "str r0, [lr, #24]",
        "bne 2b",
        "pop {{r4-r11, pc}}",
    )
}
