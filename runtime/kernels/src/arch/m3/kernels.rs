//! The kernel table and its assembly.

use core::arch::naked_asm;
use core::ops::Range;

use tanbo_packing::{Layout, m3};

use super::M3;
use crate::arch::pairs::{self, Job, Machine};
use crate::{KernelResult, Kernels, Output, Packed, Rows, RowsMut};

impl Kernels for M3 {
    const NAME: &'static str = "m3";
    const LAYOUTS: &'static [Layout] = &[m3::LAYOUT];

    fn conv2d_packed(
        params: &Packed<'_>,
        input: Rows<'_>,
        output: &mut RowsMut<'_>,
        rows: Range<usize>,
        scratch: &mut [u8],
    ) -> KernelResult {
        pairs::conv2d::<Self>(params, input, output, rows, scratch)
    }

    fn depthwise_conv2d_packed(
        params: &Packed<'_>,
        input: Rows<'_>,
        output: &mut RowsMut<'_>,
        rows: Range<usize>,
        scratch: &mut [u8],
    ) -> KernelResult {
        pairs::depthwise_conv2d::<Self>(params, input, output, rows, scratch)
    }
}

impl Machine for M3 {
    const LAYOUT: Layout = m3::LAYOUT;
    const PIXELS: usize = 4;
    const GROUP_WORDS: usize = 8;
    const DEPTHWISE_RECORD_WORDS: usize = 4;
    const FEWEST: usize = 3;

    fn fill(runs: &[&[i8]; 4], patch: &mut [i32]) {
        pairs::fill_four(runs, patch);
    }

    unsafe fn tile(job: &mut Job) {
        // SAFETY: the caller keeps to the contract.
        unsafe { four(job) }
    }

    unsafe fn single(job: &mut Job) {
        // SAFETY: the caller keeps to the contract.
        unsafe { one(job) }
    }

    fn requantize(record: &[i32], range: &Output, accumulator: i32) -> i8 {
        pairs::requantize(record, range, accumulator)
    }
}

/// One group of four terms of two pixel pairs: 18 instructions for 16 MACs.
macro_rules! group {
    () => {
        "ldmia r0!, {{r3-r6}}
         ldrsb.w r2, [r1], #1
         mla r7, r2, r3, lr
         mla r8, r2, r4, lr
         ldrsb.w r2, [r1], #1
         mla r7, r2, r5, r7
         mla r8, r2, r6, r8
         ldmia r0!, {{r3-r6}}
         ldrsb.w r2, [r1], #1
         mla r7, r2, r3, r7
         mla r8, r2, r4, r8
         ldrsb.w r2, [r1], #1
         mla r7, r2, r5, r7
         mla r8, r2, r6, r8
         add.w r11, r11, r7
         add.w r9, r9, r7, asr #16
         add.w r12, r12, r8
         add.w r10, r10, r8, asr #16
        "
    };
}

/// Two terms of two pixel pairs that are split off at once.
macro_rules! half_group {
    () => {
        "ldmia r0!, {{r3-r6}}
         ldrsb.w r2, [r1], #1
         mla r7, r2, r3, lr
         mla r8, r2, r4, lr
         ldrsb.w r2, [r1], #1
         mla r7, r2, r5, r7
         mla r8, r2, r6, r8
         add.w r11, r11, r7
         add.w r9, r9, r7, asr #16
         add.w r12, r12, r8
         add.w r10, r10, r8, asr #16
        "
    };
}

/// The output value of accumulator `$a`, at `$at`: 8 instructions. `r3`, `r4`, `r5`: `m`, `C`, `s`; `r7`: sign; the rest is
/// free: `r8`, `lr`.
macro_rules! requantize {
    ($a:literal, $at:literal, $clamp:expr) => {
        concat!(
            "lsl.w ",
            $a,
            ", ",
            $a,
            ", #2\n",
            "smull lr, r8, ",
            $a,
            ", r3\n",
            "and.w lr, r7, ",
            $a,
            ", asr #31\n",
            "add r8, r4\n",
            "add r8, lr\n",
            "asr.w r8, r8, r5\n",
            $clamp,
            "strb.w r8, ",
            $at,
            "\n",
        )
    };
}

macro_rules! clamp {
    () => {
        "cmp r8, r0
         it lt
         movlt r8, r0
         cmp r8, r1
         it gt
         movgt r8, r1
        "
    };
}

/// Four pixels, all outputs. Registers in the loop over groups: `r0` patch, `r1` weights, `r2` weight, `r3`-`r6` pairs, `r7`, `r8`
/// the group's sums, `r9`, `r10` high halves' sums, `r11`, `r12` words' sums, `lr` 2^15. Stack: end of the patch, flags, job, end of a
/// chunk.
///
/// 1.125 instructions per MAC, 1.375 where groups of four do not fit; 0.06 for chunks, 14 per output value.
///
/// # Safety
/// As [`Machine::tile`].
#[unsafe(naked)]
unsafe extern "C" fn four(job: *mut Job) {
    naked_asm!(
        "push {{r4-r11, lr}}",
        "sub sp, #20",
        "str r0, [sp, #8]",
        "ldr r2, [r0, #4]",
        "str r2, [sp]",
        "ldr r1, [r0, #8]",
        // Entry into the unrolled chunk for the first, shorter one.
        "ldr r3, [r0, #28]",
        "rsb r3, r3, #8",
        "adr.w r2, 20f",
        "adr.w r4, 21f",
        "subs r4, r4, r2",
        "mla r2, r3, r4, r2",
        "orr r2, r2, #1",
        "str r2, [sp, #16]",
        // Next output.
        "1:",
        "mov.w lr, #0x8000",
        "ldr r2, [r0, #12]",
        "ldmia r2!, {{r3, r4, r5}}",
        "str r2, [r0, #12]",
        "mov r9, r3",
        "mov r10, r3",
        "mov r11, r4",
        "mov r12, r4",
        "ldr r3, [r0, #28]",
        "ldr r4, [sp, #16]",
        "ldr r0, [r0]",
        "lsls r5, r5, #1",
        "str r5, [sp, #4]",
        "bcc 4f",
        "bx r4",
        ".balign 4",
        "20:",
        group!(),
        ".balign 4",
        "21:",
        group!(),
        group!(),
        group!(),
        group!(),
        group!(),
        group!(),
        group!(),
        "2:",
        "ldr r2, [sp]",
        "cmp r0, r2",
        "beq 6f",
        "ldr r5, [sp, #4]",
        "lsls r5, r5, #1",
        "str r5, [sp, #4]",
        "bcs.w 20b",
        "movs r3, #8",
        // A chunk of groups that have to be split.
        "4:",
        "add.w r3, r0, r3, lsl #5",
        "str r3, [sp, #12]",
        "5:",
        half_group!(),
        "sub.w r11, r11, lr",
        "sub.w r12, r12, lr",
        half_group!(),
        "ldr r2, [sp, #12]",
        "cmp r0, r2",
        "bne 5b",
        "b 2b",
        // Sums of the low halves, then output values.
        "6:",
        "str r1, [sp, #12]",
        "sub.w r11, r11, r9, lsl #16",
        "sub.w r12, r12, r10, lsl #16",
        "ldr r0, [sp, #8]",
        "ldr r2, [r0, #12]",
        "ldmia r2!, {{r3, r4, r5}}",
        "str r2, [r0, #12]",
        "ldr r6, [r0, #20]",
        "adds r1, r6, #1",
        "str r1, [r0, #20]",
        "ldr r2, [r0, #24]",
        "ldr r7, [r0, #40]",
        "ldrd r0, r1, [r0, #32]",
        "sub.w r8, r1, r0",
        "cmp.w r8, #255",
        "bne 7f",
        requantize!("r11", "[r6]", "ssat r8, #8, r8\n"),
        requantize!("r9", "[r6, r2]", "ssat r8, #8, r8\n"),
        requantize!("r12", "[r6, r2, lsl #1]", "ssat r8, #8, r8\n"),
        "add r6, r2",
        requantize!("r10", "[r6, r2, lsl #1]", "ssat r8, #8, r8\n"),
        "b 8f",
        "7:",
        requantize!("r11", "[r6]", clamp!()),
        requantize!("r9", "[r6, r2]", clamp!()),
        requantize!("r12", "[r6, r2, lsl #1]", clamp!()),
        "add r6, r2",
        requantize!("r10", "[r6, r2, lsl #1]", clamp!()),
        "8:",
        "ldr r0, [sp, #8]",
        "ldr r1, [sp, #12]",
        "ldr r2, [r0, #16]",
        "subs r2, #1",
        "str r2, [r0, #16]",
        "bne.w 1b",
        "add sp, #20",
        "pop {{r4-r11, pc}}",
    )
}

/// One pixel, all outputs. Registers: `r0` patch, `r1` weights, `r2`, `r10` weights, `r3`-`r6` terms, `r9` sum, `r11` end of the patch, `r12` job.
///
/// 2.25 instructions per MAC and 0.5 per group, 27 per output value.
///
/// # Safety
/// As [`Machine::single`].
#[unsafe(naked)]
unsafe extern "C" fn one(job: *mut Job) {
    naked_asm!(
        "push {{r4-r11, lr}}",
        "sub sp, #4",
        "mov r12, r0",
        "ldr.w r11, [r0, #4]",
        "ldr r1, [r0, #8]",
        "1:",
        "ldr.w r0, [r12]",
        "ldr.w r2, [r12, #12]",
        "ldr.w r9, [r2]",
        "ldr.w r3, [r12, #28]",
        "lsls r3, r3, #31",
        "bpl 3f",
        // An odd number of groups in the first chunk, so in all.
        "ldmia r0!, {{r3-r6}}",
        "ldrsb.w r2, [r1], #1",
        "mla r9, r2, r3, r9",
        "ldrsb.w r2, [r1], #1",
        "mla r9, r2, r4, r9",
        "ldrsb.w r2, [r1], #1",
        "mla r9, r2, r5, r9",
        "ldrsb.w r2, [r1], #1",
        "mla r9, r2, r6, r9",
        "3:",
        "cmp r0, r11",
        "beq 4f",
        "2:",
        "ldmia r0!, {{r3-r6}}",
        "ldrsb.w r2, [r1], #8",
        "mla r9, r2, r3, r9",
        "ldrsb.w r2, [r1, #-7]",
        "mla r9, r2, r4, r9",
        "ldrsb.w r2, [r1, #-6]",
        "mla r9, r2, r5, r9",
        "ldrsb.w r2, [r1, #-5]",
        "mla r9, r2, r6, r9",
        "ldmia r0!, {{r3-r6}}",
        "ldrsb.w r2, [r1, #-4]",
        "mla r9, r2, r3, r9",
        "ldrsb.w r2, [r1, #-3]",
        "mla r9, r2, r4, r9",
        "ldrsb.w r2, [r1, #-2]",
        "mla r9, r2, r5, r9",
        "ldrsb.w r2, [r1, #-1]",
        "mla r9, r2, r6, r9",
        "cmp r0, r11",
        "bne 2b",
        "4:",
        "ldr.w r2, [r12, #12]",
        "adds r2, #12",
        "ldmia r2!, {{r3, r4, r5}}",
        "str.w r2, [r12, #12]",
        "mov r10, r1",
        "ldrd r0, r1, [r12, #32]",
        "ldr.w r7, [r12, #40]",
        "ldr.w r6, [r12, #20]",
        requantize!("r9", "[r6], #1", clamp!()),
        "str.w r6, [r12, #20]",
        "mov r1, r10",
        "ldr.w r2, [r12, #16]",
        "subs r2, #1",
        "str.w r2, [r12, #16]",
        "bne.w 1b",
        "add sp, #4",
        "pop {{r4-r11, pc}}",
    )
}
