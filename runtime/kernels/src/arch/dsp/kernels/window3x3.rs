//! Depthwise 3×3: one output row, four channels at a time.
//!
//! First the three input rows of four channels become, for each two columns j and j + 1 and each channel, three words:
//! `V_j`, `V_j+1`, `R`, with `V` = (top row, middle row) of a column and `R` = bottom row of both. An output is then
//! `V_0·(w00, w10) + V_1·(w01, w11) + V_2·(w02, w12)` and `(r0, r1)·(w20, w21) + r2·w22`: five multiplications for nine MACs.

use core::arch::naked_asm;

/// Bytes of the prepared words of two columns of four channels.
pub const PAIR_BYTES: usize = 48;

/// What [`row`] works on. The layout is known to the assembly below.
#[repr(C)]
pub struct Row {
    /// Mantissa, rounding constant and shift of the channel at work; set by the assembly.
    pub requantize: [i32; 3],
    /// Distance between pixels of the output.
    pub stride: usize,
    /// Where the outputs in pairs end: their number times 24 beyond `first`.
    pub pairs_end: usize,
    /// Prepared words, `PAIR_BYTES` for each two columns; columns outside the input are filled already.
    pub first: *mut u32,
    /// First output.
    pub output: *mut i8,
    /// Where the outputs one by one end: their number times 48 beyond `pairs_end`.
    pub singles_end: usize,
    /// First channel of the three input rows; for a row outside any address of the row's length.
    pub rows: [*const i8; 3],
    /// Column at work, bytes from the first; 0.
    pub at: usize,
    /// Distance between columns of the input.
    pub step: usize,
    /// End of the columns to read, bytes from the first.
    pub end: usize,
    /// Zero point of the input, four times.
    pub fill: u32,
    /// Zero point of the input.
    pub zero_point: i32,
    /// Records: six words that lie in registers, then mantissa, rounding constant, shift.
    pub records: *const i32,
    /// Channels, a multiple of four.
    pub channels: usize,
    /// 1 if the first column is outside.
    pub left: usize,
    /// 1 if the top row is outside, 2 if the bottom row, 3 if both.
    pub outside: usize,
    /// 1 for TensorFlow Lite's rounding, 0 for single rounding.
    pub tflite: usize,
    /// Prepared words again.
    pub prepared: *mut u32,
}

// Sums are twice the true ones: see `pack`.
macro_rules! requantize {
    (single $acc:literal $constant:literal) => {
        concat!(
            "smmla ",
            $acc,
            ", ",
            $acc,
            ", r8, r9\n",
            "asr ",
            $acc,
            ", ",
            $acc,
            ", r10\nssat ",
            $acc,
            ", #8, ",
            $acc,
            "\n"
        )
    };
    (tflite $acc:literal $constant:literal) => {
        concat!(
            "add ",
            $constant,
            ", r9, ",
            $acc,
            ", asr #31\nsmmlar ",
            $acc,
            ", ",
            $acc,
            ", r8, ",
            $constant,
            "\n",
            "asr ",
            $acc,
            ", ",
            $acc,
            ", r10\nssat ",
            $acc,
            ", #8, ",
            $acc,
            "\n"
        )
    };
}

// The channel at work: two outputs of stride 1 a round (28 instructions, 24 in single rounding), then one by one (18, 17).
//
// Registers: r0-r4 weights (w00, w10), (w01, w11), (w02, w12), (w20, w21), (w21, w22); r5 bias; r6-r11 two column pairs;
// r12 prepared words; lr output. The sums replace r6 and r7, then r8-r11 are free for requantization.
macro_rules! channel {
    ($rounding:ident) => {
        concat!(
            "ldr r8, [sp, #16]\ncmp r12, r8\nbeq 3f\n",
            "2:\n",
            "ldm r12, {{r6, r7, r8}}\nadd r12, #48\nldm r12, {{r9, r10, r11}}\n",
            "smlad r6, r6, r0, r5\nsmlad r6, r7, r1, r6\nsmlad r7, r7, r0, r5\nsmlad r6, r9, r2, r6\nsmlad r7, r9, r1, r7\n",
            "smlad r6, r8, r3, r6\nsmlad r7, r10, r2, r7\nsmlabt r6, r11, r4, r6\nsmlatb r7, r8, r3, r7\n",
            "smlad r7, r11, r4, r7\n",
            "ldm sp, {{r8, r9, r10}}\n",
            requantize!($rounding "r6" "r11"),
            requantize!($rounding "r7" "r9"),
            "ldrd r8, r9, [sp, #12]\n",
            "strb r6, [lr]\nstrb r7, [lr, r8]\nadd lr, lr, r8, lsl #1\n",
            "cmp r12, r9\nbne 2b\n",
            "3:\n",
            "ldr r8, [sp, #28]\ncmp r12, r8\nbeq 5f\n",
            "4:\n",
            "ldm r12, {{r6, r7, r8}}\nadd r12, #48\nldm r12, {{r9, r10, r11}}\n",
            "smlad r6, r6, r0, r5\nsmlad r6, r7, r1, r6\nsmlad r6, r9, r2, r6\nsmlad r6, r8, r3, r6\n",
            "smlabt r6, r11, r4, r6\n",
            "ldm sp, {{r8, r9, r10}}\n",
            requantize!($rounding "r6" "r9"),
            "ldr r8, [sp, #12]\nldr r9, [sp, #28]\n",
            "strb r6, [lr]\nadd lr, r8\n",
            "cmp r12, r9\nbne 4b\n",
            "5:\n",
        )
    };
}

// Two channels of the four, 0 and 2 or 1 and 3, of the columns in (r4, r5, r6) and (r0, r1, r2), to r3 r8 r9 and r10-r12.
macro_rules! transpose {
    ($bytes:literal) => {
        concat!(
            "sxtb16 r7, r6",
            $bytes,
            "\nsxtb16 r8, r2",
            $bytes,
            "\npkhbt r9, r7, r8, lsl #16\npkhtb r12, r8, r7, asr #16\n",
            "sxtb16 r7, r4",
            $bytes,
            "\nsxtb16 r8, r5",
            $bytes,
            "\npkhbt r3, r7, r8, lsl #16\npkhtb r10, r8, r7, asr #16\n",
            "sxtb16 r7, r0",
            $bytes,
            "\nsxtb16 r11, r1",
            $bytes,
            "\npkhbt r8, r7, r11, lsl #16\npkhtb r11, r11, r7, asr #16\n",
        )
    };
}

/// Computes an output row of `channels` channels.
///
/// # Safety
/// All pointers must be valid for what the counts say; `prepared` must be aligned to 4 bytes.
#[unsafe(naked)]
pub unsafe extern "C" fn row(row: *const Row) {
    naked_asm!(
        super::isa!(),
        "push {{r4-r11, lr}}",
        "sub sp, #88",
        "mov r12, sp",
        "ldm r0!, {{r1-r11}}",
        "stm r12!, {{r1-r11}}",
        "ldm r0, {{r1-r11}}",
        "stm r12, {{r1-r11}}",
        // Four channels: r4-r6 one column, r0-r2 the next, r12 the column's place, lr prepared words.
        "70:",
        "ldr lr, [sp, #84]",
        "add r3, sp, #32",
        "ldm r3, {{r0, r1, r2, r12}}",
        "ldr r3, [sp, #72]",
        "cbz r3, 72f",
        "ldr r4, [sp, #56]",
        "mov r5, r4",
        "mov r6, r4",
        "ldrd r3, r7, [sp, #48]",
        "b 73f",
        "71:",
        "add r3, sp, #32",
        "ldm r3, {{r0, r1, r2, r12}}",
        "72:",
        "ldr r4, [r0, r12]",
        "ldr r5, [r1, r12]",
        "ldr r6, [r2, r12]",
        "ldrd r3, r7, [sp, #48]",
        "add r12, r3",
        "cmp r12, r7",
        "beq 77f",
        "73:",
        "ldr r0, [r0, r12]",
        "ldr r1, [r1, r12]",
        "ldr r2, [r2, r12]",
        "add r12, r3",
        "str r12, [sp, #44]",
        "cmp r12, r7",
        // The flags stay as they are to the end of the loop.
        "74:",
        transpose!(""),
        "stm lr!, {{r3, r8, r9}}",
        "strd r10, r11, [lr, #12]",
        "str r12, [lr, #20]",
        transpose!(", ror #8"),
        "stm lr!, {{r3, r8, r9}}",
        "add lr, lr, #12",
        "stm lr!, {{r10, r11, r12}}",
        "bne 71b",
        // One channel.
        "75:",
        "ldr r6, [sp, #64]",
        "ldm r6!, {{r0-r5}}",
        "ldm r6!, {{r8, r9, r10}}",
        "str r6, [sp, #64]",
        "stm sp, {{r8, r9, r10}}",
        "ldrd r12, lr, [sp, #20]",
        "ldrd r6, r7, [sp, #76]",
        "cmp r6, #0",
        "bne 78f",
        "76:",
        "cmp r7, #0",
        "beq 79f",
        channel!(tflite),
        "b 80f",
        "79:",
        channel!(single),
        "80:",
        "add r6, sp, #16",
        "ldm r6, {{r0-r3}}",
        "ldr r4, [sp, #68]",
        "adds r0, #12",
        "adds r1, #12",
        "adds r2, #1",
        "adds r3, #12",
        "stm r6, {{r0-r3}}",
        "subs r4, #1",
        "str r4, [sp, #68]",
        "lsls r5, r4, #30",
        "bne 75b",
        "subs r0, #48",
        "subs r1, #48",
        "subs r3, #48",
        "stm r6!, {{r0-r3}}",
        "ldm r6, {{r0-r2}}",
        "adds r0, #4",
        "adds r1, #4",
        "adds r2, #4",
        "movs r3, #0",
        "stm r6, {{r0-r3}}",
        "cmp r4, #0",
        "bne 70b",
        "add sp, #88",
        "pop {{r4-r11, pc}}",
        // No column is left for the second half.
        "77:",
        "ldr r0, [sp, #56]",
        "mov r1, r0",
        "mov r2, r0",
        "b 74b",
        // Rows outside: their weights meet the zero point and nothing else.
        "78:",
        "ldr r8, [sp, #60]",
        "tst r6, #1",
        "beq 81f",
        "smlabb r5, r0, r8, r5",
        "smlabb r5, r1, r8, r5",
        "smlabb r5, r2, r8, r5",
        "bfc r0, #0, #16",
        "bfc r1, #0, #16",
        "bfc r2, #0, #16",
        "81:",
        "tst r6, #2",
        "beq 76b",
        "smlabb r5, r3, r8, r5",
        "smlatb r5, r3, r8, r5",
        "smlatb r5, r4, r8, r5",
        "movs r3, #0",
        "movs r4, #0",
        "b 76b",
    )
}
