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
    /// First channel of the three input rows; for a row outside any address of the row's length.
    pub rows: [*const i8; 3],
    /// Distance between pixels of the output.
    pub stride: usize,
    /// Where the outputs in pairs, or for stride 2 those one by one, end: 48 bytes of prepared words each. One less if one
    /// output follows the pairs.
    pub end: usize,
    /// Prepared words, `PAIR_BYTES` for each two columns; columns outside the input are filled already.
    pub first: *mut u32,
    /// First output.
    pub output: *mut i8,
    /// Channels, a multiple of four.
    pub channels: usize,
    /// Records: six words that lie in registers, then mantissa, rounding constant, shift.
    pub records: *const i32,
    /// Distance between columns of the input.
    pub step: usize,
    /// End of the columns to read, bytes from the first.
    pub columns_end: usize,
    /// Zero point of the input, four times.
    pub fill: u32,
    /// Zero point of the input.
    pub zero_point: i32,
    /// 1 if the first column is outside.
    pub left: usize,
    /// 1 if the top row is outside, 2 if the bottom row, 3 if both.
    pub outside: usize,
    /// 1 for TensorFlow Lite's rounding, 0 for single rounding; 2 more to begin one by one. The assembly puts an address here.
    pub entry: usize,
}

// Sums are twice the true ones: see `pack`. r8 mantissa, r9 rounding constant, r10 shift.
macro_rules! requantize {
    (single $acc:literal $constant:literal) => {
        concat!(
            "smmla ",
            $acc,
            ", ",
            $acc,
            ", r8, r9\nasr ",
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

// The channel at work: two outputs of stride 1 a round (28 instructions, 25 in single rounding), then one by one (18, 17).
//
// Registers: r0-r4 weights (w00, w10), (w01, w11), (w02, w12), (w20, w21), (w21, w22); r5 bias; r6-r11 two column pairs;
// r12 prepared words; lr output. The sums replace r6 and r7, then r8-r11 are free for requantization.
macro_rules! channel {
    ($rounding:ident $pairs:literal $singles:literal) => {
        concat!(
            $pairs, ":\n",
            "ldm r12, {{r6, r7, r8}}\nadd r12, #48\nldm r12, {{r9, r10, r11}}\n",
            "smlad r6, r6, r0, r5\nsmlad r6, r7, r1, r6\nsmlad r7, r7, r0, r5\nsmlad r6, r9, r2, r6\nsmlad r7, r9, r1, r7\n",
            "smlad r6, r8, r3, r6\nsmlad r7, r10, r2, r7\nsmlabt r6, r11, r4, r6\nsmlatb r7, r8, r3, r7\n",
            "smlad r7, r11, r4, r7\n",
            "ldm sp, {{r8, r9, r10}}\n",
            requantize!($rounding "r6" "r11"),
            requantize!($rounding "r7" "r9"),
            "ldrd r8, r9, [sp, #12]\n",
            "strb r6, [lr]\nstrb r7, [lr, r8]\nadd lr, lr, r8, lsl #1\n",
            "cmp r12, r9\nblo ", $pairs, "b\n",
            "lsls r9, r9, #31\nbeq 80f\n",
            $singles, ":\n",
            "ldm r12, {{r6, r7, r8}}\nadd r12, #48\nldm r12, {{r9, r10, r11}}\n",
            "smlad r6, r6, r0, r5\nsmlad r6, r7, r1, r6\nsmlad r6, r9, r2, r6\nsmlad r6, r8, r3, r6\n",
            "smlabt r6, r11, r4, r6\n",
            "ldm sp, {{r8, r9, r10}}\n",
            requantize!($rounding "r6" "r9"),
            "ldrd r8, r9, [sp, #12]\n",
            "strb r6, [lr]\nadd lr, r8\n",
            "cmp r12, r9\nblo ", $singles, "b\n",
        )
    };
}

/// Computes an output row of `channels` channels. Four channels of two columns are prepared in 35 instructions.
///
/// # Safety
/// All pointers must be valid for what the counts say; `first` must be aligned to 4 bytes.
#[unsafe(naked)]
pub unsafe extern "C" fn row(row: *const Row) {
    naked_asm!(
        super::isa!(),
        // The stack: a copy of `Row`, whose first three words hold the rows while columns are prepared, then mantissa,
        // rounding constant and shift of the channel; at 64 the rows of the four channels, at 76 `first`, at 80 the address
        // where a channel begins.
        "push {{r4-r11, lr}}",
        "sub sp, #84",
        "mov r12, sp",
        "ldm r0!, {{r1-r8}}",
        "stm r12!, {{r1-r8}}",
        "add r10, sp, #64",
        "stm r10, {{r1, r2, r3, r6}}",
        "ldm r0, {{r1-r8}}",
        "stm r12, {{r1-r8}}",
        "adr r10, 81f + 1",
        "cmp r8, #1",
        "it eq",
        "adreq r10, 83f + 1",
        "cmp r8, #2",
        "it eq",
        "adreq r10, 82f + 1",
        "cmp r8, #3",
        "it eq",
        "adreq r10, 84f + 1",
        "str r10, [sp, #60]",
        "cmp r7, #0",
        "it ne",
        "adrne r10, 78f + 1",
        "str r10, [sp, #80]",
        // Four channels: r3-r5 one column, r0-r2 the next, r9 and r10 distance and end of columns, r12 the column's place,
        // lr prepared words. A word of two rows' halves becomes two channels by SXTB16.
        "70:",
        "add r3, sp, #64",
        "ldm r3, {{r0, r1, r2}}",
        "stm sp, {{r0, r1, r2}}",
        "ldr lr, [sp, #76]",
        "mov r12, #0",
        "ldrd r9, r10, [sp, #36]",
        "ldr r3, [sp, #52]",
        "cbz r3, 72f",
        "ldr r3, [sp, #44]",
        "mov r4, r3",
        "mov r5, r3",
        "b 73f",
        "71:",
        "ldm sp, {{r0, r1, r2}}",
        "72:",
        "ldr r3, [r0, r12]",
        "ldr r4, [r1, r12]",
        "ldr r5, [r2, r12]",
        "add r12, r9",
        "cmp r12, r10",
        "beq 77f",
        "73:",
        "ldr r0, [r0, r12]",
        "ldr r1, [r1, r12]",
        "ldr r2, [r2, r12]",
        "add r12, r9",
        "74:",
        "pkhbt r6, r3, r4, lsl #16",
        "pkhtb r4, r4, r3, asr #16",
        "pkhbt r7, r0, r1, lsl #16",
        "pkhtb r1, r1, r0, asr #16",
        "pkhbt r8, r5, r2, lsl #16",
        "pkhtb r2, r2, r5, asr #16",
        "sxtb16 r0, r6",
        "sxtb16 r3, r7",
        "sxtb16 r5, r8",
        "stm lr!, {{r0, r3, r5}}",
        "sxtb16 r0, r6, ror #8",
        "sxtb16 r3, r7, ror #8",
        "sxtb16 r5, r8, ror #8",
        "stm lr!, {{r0, r3, r5}}",
        "sxtb16 r0, r4",
        "sxtb16 r3, r1",
        "sxtb16 r5, r2",
        "stm lr!, {{r0, r3, r5}}",
        "sxtb16 r0, r4, ror #8",
        "sxtb16 r3, r1, ror #8",
        "sxtb16 r5, r2, ror #8",
        "stm lr!, {{r0, r3, r5}}",
        "cmp r12, r10",
        "bne 71b",
        // One channel.
        "75:",
        "ldr r6, [sp, #32]",
        "ldm r6!, {{r0-r5, r8, r9, r10}}",
        "str r6, [sp, #32]",
        "stm sp, {{r8, r9, r10}}",
        "ldrd r12, lr, [sp, #20]",
        "ldr pc, [sp, #80]",
        // No column is left for the second half.
        "77:",
        "ldr r0, [sp, #44]",
        "mov r1, r0",
        "mov r2, r0",
        "b 74b",
        // Rows outside: their weights meet the zero point and nothing else.
        "78:",
        "ldr r8, [sp, #48]",
        "ldr r6, [sp, #56]",
        "tst r6, #1",
        "beq 79f",
        "smlabb r5, r0, r8, r5",
        "smlabb r5, r1, r8, r5",
        "smlabb r5, r2, r8, r5",
        "bfc r0, #0, #16",
        "bfc r1, #0, #16",
        "bfc r2, #0, #16",
        "79:",
        "tst r6, #2",
        "beq 76f",
        "smlabb r5, r3, r8, r5",
        "smlatb r5, r3, r8, r5",
        "smlatb r5, r4, r8, r5",
        "movs r3, #0",
        "movs r4, #0",
        "76:",
        "ldr pc, [sp, #60]",
        channel!(single "81" "82"),
        "b 80f",
        channel!(tflite "83" "84"),
        "80:",
        "add r6, sp, #16",
        "ldm r6, {{r0-r3}}",
        "adds r0, #12",
        "adds r1, #12",
        "adds r2, #1",
        "subs r3, #1",
        "stm r6, {{r0-r3}}",
        "lsls r4, r3, #30",
        "bne 75b",
        "subs r0, #48",
        "subs r1, #48",
        "strd r0, r1, [sp, #16]",
        "add r6, sp, #64",
        "ldm r6, {{r0, r1, r2}}",
        "adds r0, #4",
        "adds r1, #4",
        "adds r2, #4",
        "stm r6, {{r0, r1, r2}}",
        "cmp r3, #0",
        "bne 70b",
        "add sp, #84",
        "pop {{r4-r11, pc}}",
    )
}
