//! The kernel table and its assembly.

use core::arch::naked_asm;

use tanbo_packing::{Layout, m3};

use super::M3;
use crate::arch::pairs::{Job, Lines, Machine, table};

table! { M3, "m3" }

impl Machine for M3 {
    const LAYOUT: Layout = m3::LAYOUT;
    const FEWEST: usize = 3;

    fn fill(runs: &[&[i8]; 4], patch: &mut [i32]) {
        let groups = runs.iter().fold(patch.len() / 8, |groups, run| groups.min(run.len() / 4));
        if groups > 0 {
            // SAFETY: `groups` groups of four terms are in each run, of eight words in the patch.
            unsafe { fill(runs.map(<[i8]>::as_ptr).as_ptr(), patch.as_mut_ptr(), groups) }
        }
    }

    unsafe fn tile(job: &mut Job) {
        // SAFETY: the caller keeps to the contract.
        unsafe { four(job) }
    }

    unsafe fn single(job: &mut Job) {
        // SAFETY: the caller keeps to the contract.
        unsafe { one(job) }
    }

    unsafe fn depthwise(lines: &mut Lines) {
        // SAFETY: the caller keeps to the contract.
        unsafe { rows(lines) }
    }
}

/// A term of four pixels, its pairs into `$p`, `$q`. `r4`, `r5`, `r6`, `r7`: pixels; `r8`, `r9` are free.
macro_rules! pairs {
    ($p:literal, $q:literal) => {
        concat!(
            "ldrsb ",
            $p,
            ", [r4], #1\n",
            "ldrsb r8, [r5], #1\n",
            "ldrsb ",
            $q,
            ", [r6], #1\n",
            "ldrsb r9, [r7], #1\n",
            "add.w ",
            $p,
            ", ",
            $p,
            ", r8, lsl #16\n",
            "add.w ",
            $q,
            ", ",
            $q,
            ", r9, lsl #16\n",
        )
    };
}

/// Writes the patch of four pixels. Registers: `r1` patch, `r2` groups left, `r0`, `r3`, `r10`, `r11` words; 6.5 instructions per term, 3
/// per group.
///
/// # Safety
/// `runs` points to four pointers to four bytes per group, `patch` has eight words per group, and there is a group.
#[unsafe(naked)]
unsafe extern "C" fn fill(runs: *const *const i8, patch: *mut i32, groups: usize) {
    naked_asm!(
        "push {{r4-r11, lr}}",
        "ldmia r0, {{r4-r7}}",
        "1:",
        pairs!("r0", "r3"),
        pairs!("r10", "r11"),
        "stmia.w r1!, {{r0, r3, r10, r11}}",
        pairs!("r0", "r3"),
        pairs!("r10", "r11"),
        "stmia.w r1!, {{r0, r3, r10, r11}}",
        "subs r2, #1",
        "bne 1b",
        "pop {{r4-r11, pc}}",
    )
}

/// Two terms of two pixel pairs: 11 instructions for 8 MACs.
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

/// The output value of accumulator `$a`, at `$at`, where it needs no sign and takes all of int8: 6 instructions. `r3`, `r4`, `r5`: `m`,
/// `C`, `s`; the rest is free: `r8`, `lr`.
macro_rules! requantize_plain {
    ($a:literal, $at:literal) => {
        concat!(
            "lsl.w ",
            $a,
            ", ",
            $a,
            ", #2\n",
            "smull lr, r8, ",
            $a,
            ", r3\n",
            "add r8, r4\n",
            "asr.w r8, r8, r5\n",
            "ssat r8, #8, r8\n",
            "strb.w r8, ",
            $at,
            "\n",
        )
    };
}

/// The output value of accumulator `$a`, at `$at`: 13 instructions. `r3`, `r4`, `r5`: `m`, `C`, `s`; `r7`: sign; `r0`, `r1`: bounds; the
/// rest is free: `r8`, `lr`.
macro_rules! requantize {
    ($a:literal, $at:literal) => {
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
            clamp!(),
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
/// the group's sums, `r9`, `r10` high halves' sums, `r11`, `r12` words' sums, `lr` 2^15. Stack: end of the patch, job, weights,
/// entry of the first chunk.
///
/// 1.375 instructions per MAC, 0.02 for chunks, 14 per output value.
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
        "ldmia r2!, {{r3, r4}}",
        "str r2, [r0, #12]",
        "mov r9, r3",
        "mov r10, r3",
        "mov r11, r4",
        "mov r12, r4",
        "ldr r4, [sp, #16]",
        "ldr r0, [r0]",
        "bx r4",
        ".balign 4",
        "20:",
        half_group!(),
        half_group!(),
        "21:",
        half_group!(),
        half_group!(),
        half_group!(),
        half_group!(),
        half_group!(),
        half_group!(),
        half_group!(),
        half_group!(),
        half_group!(),
        half_group!(),
        half_group!(),
        half_group!(),
        half_group!(),
        half_group!(),
        "ldr r2, [sp]",
        "cmp r0, r2",
        "bne.w 20b",
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
        "add r8, r7",
        "cmp.w r8, #255",
        "bne 7f",
        requantize_plain!("r11", "[r6]"),
        requantize_plain!("r9", "[r6, r2]"),
        requantize_plain!("r12", "[r6, r2, lsl #1]"),
        "add r6, r2",
        requantize_plain!("r10", "[r6, r2, lsl #1]"),
        "b 8f",
        "7:",
        requantize!("r11", "[r6]"),
        requantize!("r9", "[r6, r2]"),
        requantize!("r12", "[r6, r2, lsl #1]"),
        "add r6, r2",
        requantize!("r10", "[r6, r2, lsl #1]"),
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
        "adds r2, #8",
        "ldmia r2!, {{r3, r4, r5}}",
        "str.w r2, [r12, #12]",
        "mov r10, r1",
        "ldrd r0, r1, [r12, #32]",
        "ldr.w r7, [r12, #40]",
        "ldr.w r6, [r12, #20]",
        requantize!("r9", "[r6], #1"),
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

/// Three terms of five outputs whose windows are 1 apart, from `[r0]` on.
macro_rules! three_terms_of_five {
    () => {
        "ldrsb.w r8, [r0]
         mla r6, r8, r4, r6
         ldrsb.w r8, [r0, #1]
         mla r6, r8, r5, r6
         mla r9, r8, r4, r9
         ldrsb.w r8, [r0, #2]
         mla r6, r8, r7, r6
         mla r9, r8, r5, r9
         mla r10, r8, r4, r10
         ldrsb.w r8, [r0, #3]
         mla r9, r8, r7, r9
         mla r10, r8, r5, r10
         mla r12, r8, r4, r12
         ldrsb.w r8, [r0, #4]
         mla r10, r8, r7, r10
         mla r12, r8, r5, r12
         mla r11, r8, r4, r11
         ldrsb.w r8, [r0, #5]
         mla r12, r8, r7, r12
         mla r11, r8, r5, r11
         ldrsb.w r8, [r0, #6]
         mla r11, r8, r7, r11
        "
    };
}

/// Three terms of four outputs whose windows are `$by` apart, from `[r0]` on.
macro_rules! three_terms {
    (1) => {
        "ldrsb.w r8, [r0]
         mla r6, r8, r4, r6
         ldrsb.w r8, [r0, #1]
         mla r6, r8, r5, r6
         mla r9, r8, r4, r9
         ldrsb.w r8, [r0, #2]
         mla r6, r8, r7, r6
         mla r9, r8, r5, r9
         mla r10, r8, r4, r10
         ldrsb.w r8, [r0, #3]
         mla r9, r8, r7, r9
         mla r10, r8, r5, r10
         mla r12, r8, r4, r12
         ldrsb.w r8, [r0, #4]
         mla r10, r8, r7, r10
         mla r12, r8, r5, r12
         ldrsb.w r8, [r0, #5]
         mla r12, r8, r7, r12
        "
    };
    (2) => {
        "ldrsb.w r8, [r0]
         mla r6, r8, r4, r6
         ldrsb.w r8, [r0, #1]
         mla r6, r8, r5, r6
         ldrsb.w r8, [r0, #2]
         mla r6, r8, r7, r6
         mla r9, r8, r4, r9
         ldrsb.w r8, [r0, #3]
         mla r9, r8, r5, r9
         ldrsb.w r8, [r0, #4]
         mla r9, r8, r7, r9
         mla r10, r8, r4, r10
         ldrsb.w r8, [r0, #5]
         mla r10, r8, r5, r10
         ldrsb.w r8, [r0, #6]
         mla r10, r8, r7, r10
         mla r12, r8, r4, r12
         ldrsb.w r8, [r0, #7]
         mla r12, r8, r5, r12
         ldrsb.w r8, [r0, #8]
         mla r12, r8, r7, r12
        "
    };
}

/// Output rows of a channel. Registers: `r0` strip, `r1` weights, `r3` kernel rows left, `r4`, `r5`, `r7` weights, `r8` term, `r6`,
/// `r9`, `r10`, `r12` sums, `lr` distance of lines, `r11` distance of outputs. Stack: lines, strip and place of the next
/// output, outputs left.
///
/// Four outputs of a kernel three wide: 2 instructions per MAC (stride 2: 2.25; the last five of a row 1.87); others 5. 12 per
/// output value, 7 where it is plain.
///
/// # Safety
/// As [`Machine::depthwise`].
#[unsafe(naked)]
unsafe extern "C" fn rows(lines: *mut Lines) {
    naked_asm!(
        "push {{r4-r11, lr}}",
        "sub sp, #20",
        "str r0, [sp]",
        "ldr.w r11, [r0, #16]",
        // Whether the last five outputs of a row go together: stride 1, no sign, all of int8.
        "ldrd r1, r2, [r0, #52]",
        "subs r2, r2, r1",
        "ldr r1, [r0, #60]",
        "adds r2, r2, r1",
        "subs r2, #255",
        "ldr r1, [r0, #48]",
        "subs r1, #1",
        "orrs r2, r1",
        "str r2, [sp, #16]",
        // Next row.
        "1:",
        "ldr r0, [sp]",
        "ldr r1, [r0]",
        "ldr r2, [r0, #12]",
        "ldr r3, [r0, #20]",
        "strd r1, r2, [sp, #4]",
        "str r3, [sp, #12]",
        // Next outputs.
        "2:",
        "ldr r2, [sp]",
        "ldr r0, [sp, #4]",
        "ldr r1, [r2, #4]",
        "ldr r3, [r2, #8]",
        "ldr r6, [r3]",
        "ldr r3, [r2, #40]",
        "ldr.w lr, [r2, #36]",
        "ldr r4, [r2, #44]",
        "cmp r4, #3",
        "bne 6f",
        "ldr r4, [sp, #12]",
        "cmp r4, #5",
        "beq.w 30f",
        "29:",
        "cmp r4, #4",
        "blt.w 5f",
        "ldr r2, [r2, #48]",
        "mov r9, r6",
        "mov r10, r6",
        "mov r12, r6",
        "cmp r2, #1",
        "bne 4f",
        "3:",
        "ldrsb.w r4, [r1], #3",
        "ldrsb.w r5, [r1, #-2]",
        "ldrsb.w r7, [r1, #-1]",
        three_terms!(1),
        "add r0, lr",
        "subs r3, #1",
        "bne 3b",
        "b 7f",
        "4:",
        "cmp r2, #2",
        "bne 5f",
        "40:",
        "ldrsb.w r4, [r1], #3",
        "ldrsb.w r5, [r1, #-2]",
        "ldrsb.w r7, [r1, #-1]",
        three_terms!(2),
        "add r0, lr",
        "subs r3, #1",
        "bne 40b",
        "b 7f",
        // One output, three taps.
        "5:",
        "ldrsb.w r4, [r1], #3",
        "ldrsb.w r8, [r0]",
        "mla r6, r8, r4, r6",
        "ldrsb.w r4, [r1, #-2]",
        "ldrsb.w r8, [r0, #1]",
        "mla r6, r8, r4, r6",
        "ldrsb.w r4, [r1, #-1]",
        "ldrsb.w r8, [r0, #2]",
        "mla r6, r8, r4, r6",
        "add r0, lr",
        "subs r3, #1",
        "bne 5b",
        "b 8f",
        // One output, any taps.
        "6:",
        "ldr r4, [sp]",
        "ldr r4, [r4, #44]",
        "mov r2, r0",
        "60:",
        "ldrsb.w r5, [r1], #1",
        "ldrsb.w r8, [r2], #1",
        "mla r6, r8, r5, r6",
        "subs r4, #1",
        "bne 60b",
        "add r0, lr",
        "subs r3, #1",
        "bne 6b",
        "b 8f",
        // Four output values.
        "7:",
        "ldr r0, [sp]",
        "ldr r1, [sp, #4]",
        "ldr r2, [r0, #48]",
        "add.w r1, r1, r2, lsl #2",
        "str r1, [sp, #4]",
        "ldr r1, [sp, #12]",
        "subs r1, #4",
        "str r1, [sp, #12]",
        "ldr r2, [sp, #8]",
        "ldr r1, [r0, #8]",
        "ldr r3, [r1, #4]",
        "ldrd r4, r5, [r1, #8]",
        "ldr r7, [r0, #60]",
        "ldrd r0, r1, [r0, #52]",
        "sub.w r8, r1, r0",
        "add r8, r7",
        "cmp.w r8, #255",
        "bne 70f",
        requantize_plain!("r6", "[r2]"),
        "add r2, r11",
        requantize_plain!("r9", "[r2]"),
        "add r2, r11",
        requantize_plain!("r10", "[r2]"),
        "add r2, r11",
        requantize_plain!("r12", "[r2]"),
        "b 9f",
        "70:",
        requantize!("r6", "[r2]"),
        "add r2, r11",
        requantize!("r9", "[r2]"),
        "add r2, r11",
        requantize!("r10", "[r2]"),
        "add r2, r11",
        requantize!("r12", "[r2]"),
        "b 9f",
        // One output value.
        "8:",
        "ldr r0, [sp]",
        "ldr r1, [sp, #4]",
        "ldr r2, [r0, #48]",
        "add r1, r2",
        "str r1, [sp, #4]",
        "ldr r1, [sp, #12]",
        "subs r1, #1",
        "str r1, [sp, #12]",
        "ldr r2, [sp, #8]",
        "ldr r1, [r0, #8]",
        "ldr r3, [r1, #4]",
        "ldrd r4, r5, [r1, #8]",
        "ldr r7, [r0, #60]",
        "ldrd r0, r1, [r0, #52]",
        requantize!("r6", "[r2]"),
        "9:",
        "add r2, r11",
        "str r2, [sp, #8]",
        "ldr r1, [sp, #12]",
        "cmp r1, #0",
        "bne.w 2b",
        "10:",
        "ldr r0, [sp]",
        "ldr r1, [r0]",
        "ldr r2, [r0, #28]",
        "add r1, r2",
        "str r1, [r0]",
        "ldr r1, [r0, #12]",
        "ldr r2, [r0, #32]",
        "add r1, r2",
        "str r1, [r0, #12]",
        "ldr r1, [r0, #24]",
        "subs r1, #1",
        "str r1, [r0, #24]",
        "bne.w 1b",
        "add sp, #20",
        "pop {{r4-r11, pc}}",
        // The last five outputs.
        "30:",
        "ldr r5, [sp, #16]",
        "cmp r5, #0",
        "bne.w 29b",
        "mov r9, r6",
        "mov r10, r6",
        "mov r12, r6",
        "mov r11, r6",
        "31:",
        "ldrsb.w r4, [r1], #3",
        "ldrsb.w r5, [r1, #-2]",
        "ldrsb.w r7, [r1, #-1]",
        three_terms_of_five!(),
        "add r0, lr",
        "subs r3, #1",
        "bne 31b",
        "ldr r1, [r2, #8]",
        "ldr r3, [r1, #4]",
        "ldrd r4, r5, [r1, #8]",
        "ldr r0, [r2, #16]",
        "ldr r2, [sp, #8]",
        requantize_plain!("r6", "[r2]"),
        "add r2, r0",
        requantize_plain!("r9", "[r2]"),
        "add r2, r0",
        requantize_plain!("r10", "[r2]"),
        "add r2, r0",
        requantize_plain!("r12", "[r2]"),
        "add r2, r0",
        requantize_plain!("r11", "[r2]"),
        "mov r11, r0",
        "b 10b",
    )
}
