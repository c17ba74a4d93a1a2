//! The kernel table and its assembly.

use core::arch::naked_asm;

use tanbo_packing::{Layout, m0};

use super::M0;
use crate::arch::pairs::{Job, Lines, Machine, table};

table! { M0, "m0" }

impl Machine for M0 {
    const LAYOUT: Layout = m0::LAYOUT;
    const FEWEST: usize = 3;

    fn fill(runs: &[&[i8]; 4], patch: &mut [i32]) {
        let groups = runs.iter().fold(patch.len() / 8, |groups, run| groups.min(run.len() / 4));
        if groups > 0 {
            // SAFETY: `groups` groups of four terms are in each run, of eight words in the patch.
            unsafe { fill(runs.map(<[i8]>::as_ptr).as_ptr(), patch.as_mut_ptr(), groups * 4) }
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

    fn base(sum: i32) -> i32 {
        -(sum << 7)
    }

    const WIDE_WEIGHTS: bool = true;
    const FLIP: u8 = 0x80;

    unsafe fn depthwise(lines: &mut Lines) {
        // SAFETY: the caller keeps to the contract.
        unsafe { rows(lines) }
    }
}

/// A term of four pixels. `r0`-`r3`: pixels, `r4`: term, `r8`: patch; `r5`-`r7` are free.
macro_rules! pairs {
    () => {
        "ldrsb r5, [r0, r4]
         ldrsb r6, [r1, r4]
         lsls r6, r6, #16
         adds r5, r5, r6
         ldrsb r6, [r2, r4]
         ldrsb r7, [r3, r4]
         lsls r7, r7, #16
         adds r6, r6, r7
         mov r7, r8
         stmia r7!, {{r5, r6}}
         mov r8, r7
         adds r4, #1
        "
    };
}

/// Writes the patch of four pixels. Registers as `pairs` says, `r12` end of the terms. 12 instructions per term, 2 per group.
///
/// # Safety
/// `runs` points to four pointers to `terms` bytes, `patch` has two words per term; `terms` is a multiple of four, not 0.
#[unsafe(naked)]
unsafe extern "C" fn fill(runs: *const *const i8, patch: *mut i32, terms: usize) {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "mov r4, r8",
        "push {{r4}}",
        "mov r8, r1",
        "mov r12, r2",
        "ldmia r0!, {{r4-r7}}",
        "mov r0, r4",
        "mov r1, r5",
        "mov r2, r6",
        "mov r3, r7",
        "movs r4, #0",
        "1:",
        pairs!(),
        pairs!(),
        pairs!(),
        pairs!(),
        "cmp r4, r12",
        "bne 1b",
        "pop {{r4}}",
        "mov r8, r4",
        "pop {{r4-r7, pc}}",
    )
}

/// Two terms of two pixel pairs, their weights at `$w0` and `$w1`: 19 instructions for 8 MACs.
macro_rules! half_group {
    ($w0:literal, $w1:literal) => {
        concat!(
            "ldmia r6!, {{r0-r3}}\n",
            "ldrb r4, [r7, #",
            $w0,
            "]\n",
            "subs r4, #128\n",
            "muls r0, r4, r0\n",
            "muls r1, r4, r1\n",
            "ldrb r4, [r7, #",
            $w1,
            "]\n",
            "subs r4, #128\n",
            "muls r2, r4, r2\n",
            "muls r3, r4, r3\n",
            "adds r0, r0, r2\n",
            "adds r1, r1, r3\n",
            "adds r0, r0, r5\n",
            "adds r1, r1, r5\n",
            "add r8, r0\n",
            "asrs r0, r0, #16\n",
            "add r9, r0\n",
            "add r10, r1\n",
            "asrs r1, r1, #16\n",
            "add r11, r1\n",
        )
    };
}

/// The output value of accumulator `r0`, into `r0`: 12 instructions. `r1` to `r6`: `W`, `ml`, `mh`, `C`, `Z`, `D`; `r7` is free; `r8`:
/// job or lines, with the bounds at `$low` and `$high`.
macro_rules! requantize {
    ($low:literal, $high:literal) => {
        concat!(
            "cmp r0, r1
         bhs 90f
         lsrs r7, r0, #2
         muls r7, r2, r7
         lsrs r7, r7, #12
         cmp r0, r5
         blo 91f
         adds r7, r7, r4
         muls r0, r3, r0
         adds r0, r0, r7
         lsrs r0, r0, #24
         b 93f
         91:
         adds r7, r7, r6
         muls r0, r3, r0
         adds r0, r0, r7
         lsrs r0, r0, #24
         b 93f
         90:
         mov r7, r8
         cmp r0, #0
         blt 92f
         ldr r0, [r7, #",
            $high,
            "]
         b 93f
         92:
         ldr r0, [r7, #",
            $low,
            "]
         93:
        "
        )
    };
}

/// Makes an output value of `$sum` and writes it; the bounds are at `$low` and `$high` from `r8`, the next place is at `$at` of
/// the stack, `$step` the distance to the one after.
macro_rules! write {
    ($sum:literal, $low:literal, $high:literal, $at:literal, $step:literal) => {
        concat!(
            "mov r0, ",
            $sum,
            "\n",
            requantize!($low, $high),
            "ldr r7, [sp, #",
            $at,
            "]\n",
            "strb r0, [r7]\n",
            "add r7, ",
            $step,
            "\n",
            "str r7, [sp, #",
            $at,
            "]\n",
        )
    };
}

/// Four pixels, all outputs. Registers in the loop over groups: `r0`-`r3` pairs, `r4` weight, `r5` 2^15, `r6` patch, `r7` weights,
/// `r8`, `r10` words' sums, `r9`, `r11` high halves' sums, `r12` channels, `lr` end of the patch. Stack: job, bytes of weights before
/// the entry of the first chunk, that entry, place of the next output, weights.
///
/// 2.375 instructions per MAC; 25 per output value.
///
/// # Safety
/// As [`Machine::tile`].
#[unsafe(naked)]
unsafe extern "C" fn four(job: *mut Job) {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "push {{r4-r7}}",
        "sub sp, #20",
        "str r0, [sp]",
        "ldr r2, [r0, #4]",
        "mov lr, r2",
        "ldr r2, [r0, #24]",
        "mov r12, r2",
        // Entry into the unrolled chunk for the first, shorter one, whose weights are that much before.
        "ldr r3, [r0, #28]",
        "movs r1, #8",
        "subs r1, r1, r3",
        "lsls r3, r1, #2",
        "str r3, [sp, #4]",
        // 38 halfwords per group.
        "movs r3, #76",
        "muls r1, r3, r1",
        "adr r2, 20f",
        "adds r2, r2, r1",
        "str r2, [sp, #8]",
        "ldr r7, [r0, #8]",
        "b 1f",
        ".balign 4",
        "20:",
        half_group!("0", "1"),
        half_group!("2", "3"),
        half_group!("4", "5"),
        half_group!("6", "7"),
        half_group!("8", "9"),
        half_group!("10", "11"),
        half_group!("12", "13"),
        half_group!("14", "15"),
        half_group!("16", "17"),
        half_group!("18", "19"),
        half_group!("20", "21"),
        half_group!("22", "23"),
        half_group!("24", "25"),
        half_group!("26", "27"),
        half_group!("28", "29"),
        half_group!("30", "31"),
        "adds r7, #32",
        "cmp r6, lr",
        "beq 6f",
        "b 20b",
        // Next output.
        "1:",
        "ldr r0, [sp]",
        "ldr r6, [r0]",
        "ldr r1, [r0, #20]",
        "str r1, [sp, #12]",
        "ldr r1, [r0, #12]",
        "ldmia r1!, {{r2, r3}}",
        "mov r9, r2",
        "mov r8, r3",
        "mov r11, r2",
        "mov r10, r3",
        "movs r5, #128",
        "lsls r5, r5, #8",
        "ldr r4, [sp, #4]",
        "subs r7, r7, r4",
        "ldr r4, [sp, #8]",
        "mov pc, r4",
        // Sums of the low halves, then output values.
        "6:",
        "str r7, [sp, #16]",
        "mov r0, r11",
        "lsls r0, r0, #16",
        "mov r1, r10",
        "subs r1, r1, r0",
        "mov r10, r1",
        "mov r0, r9",
        "lsls r0, r0, #16",
        "mov r1, r8",
        "subs r1, r1, r0",
        "ldr r7, [sp]",
        "mov r8, r7",
        "mov r0, r1",
        "ldr r2, [r7, #12]",
        "adds r2, #32",
        "str r2, [r7, #12]",
        "subs r2, #24",
        "mov r7, r2",
        "ldmia r7!, {{r1-r6}}",
        write!("r0", "32", "36", "12", "r12"),
        write!("r9", "32", "36", "12", "r12"),
        write!("r10", "32", "36", "12", "r12"),
        write!("r11", "32", "36", "12", "r12"),
        "mov r7, r8",
        "ldr r1, [r7, #20]",
        "adds r1, #1",
        "str r1, [r7, #20]",
        "ldr r1, [r7, #16]",
        "subs r1, #1",
        "str r1, [r7, #16]",
        "beq 7f",
        "ldr r7, [sp, #16]",
        "b 1b",
        "7:",
        "add sp, #20",
        "pop {{r4-r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "pop {{r4-r7, pc}}",
    )
}

/// Four terms of one pixel, their weights at `$w0` to `$w3`: 13 instructions.
macro_rules! group {
    ($w0:literal, $w1:literal, $w2:literal, $w3:literal) => {
        concat!(
            "ldmia r6!, {{r0-r3}}\n",
            group!(@ $w0, "r0"),
            group!(@ $w1, "r1"),
            group!(@ $w2, "r2"),
            group!(@ $w3, "r3"),
        )
    };
    (@ $w:literal, $x:literal) => {
        concat!("ldrb r4, [r7, #", $w, "]\nmuls ", $x, ", r4, ", $x, "\nadds r5, r5, ", $x, "\n")
    };
}

/// One pixel, all outputs. Registers: `r0`-`r3` terms, `r4` weight, `r5` sum, `r6` patch, `r7` weights, `r8` job, `r11` end of the
/// patch. Stack: weights, bytes of weights before the entry of the first chunk, that entry.
///
/// 3.25 instructions per MAC, 3 per chunk of 32, 42 per output value.
///
/// # Safety
/// As [`Machine::single`].
#[unsafe(naked)]
unsafe extern "C" fn one(job: *mut Job) {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "mov r4, r8",
        "mov r5, r11",
        "push {{r4, r5}}",
        "sub sp, #12",
        "mov r8, r0",
        "ldr r2, [r0, #4]",
        "mov r11, r2",
        "ldr r7, [r0, #8]",
        // Entry into the unrolled chunk for the first, shorter one, as in `four`: 13 halfwords per group.
        "ldr r3, [r0, #28]",
        "movs r1, #8",
        "subs r1, r1, r3",
        "lsls r3, r1, #2",
        "str r3, [sp, #4]",
        "movs r3, #26",
        "muls r1, r3, r1",
        "adr r2, 20f",
        "adds r2, r2, r1",
        "str r2, [sp, #8]",
        "1:",
        "mov r0, r8",
        "ldr r6, [r0]",
        "ldr r5, [r0, #44]",
        "ldr r1, [r0, #12]",
        "ldr r1, [r1]",
        "adds r5, r5, r1",
        "ldr r4, [sp, #4]",
        "subs r7, r7, r4",
        "ldr r4, [sp, #8]",
        "mov pc, r4",
        ".balign 4",
        "20:",
        group!("0", "1", "2", "3"),
        group!("4", "5", "6", "7"),
        group!("8", "9", "10", "11"),
        group!("12", "13", "14", "15"),
        group!("16", "17", "18", "19"),
        group!("20", "21", "22", "23"),
        group!("24", "25", "26", "27"),
        group!("28", "29", "30", "31"),
        "adds r7, #32",
        "cmp r6, r11",
        "bne 20b",
        "str r7, [sp]",
        "mov r0, r5",
        "mov r7, r8",
        "ldr r1, [r7, #12]",
        "adds r1, #32",
        "str r1, [r7, #12]",
        "subs r1, #24",
        "mov r7, r1",
        "ldmia r7!, {{r1-r6}}",
        requantize!("32", "36"),
        "mov r7, r8",
        "ldr r1, [r7, #20]",
        "strb r0, [r1]",
        "adds r1, #1",
        "str r1, [r7, #20]",
        "ldr r1, [r7, #16]",
        "subs r1, #1",
        "str r1, [r7, #16]",
        "beq 4f",
        "ldr r7, [sp]",
        "b 1b",
        "4:",
        "add sp, #12",
        "pop {{r4, r5}}",
        "mov r8, r4",
        "mov r11, r5",
        "pop {{r4-r7, pc}}",
    )
}

/// A term of four outputs, its weight in `$w`: activations at `$x0` to `$x3` from `r0`.
macro_rules! term {
    ($w:literal, $x0:literal, $x1:literal, $x2:literal, $x3:literal) => {
        concat!(
            "ldrb r5, [r0, #",
            $x0,
            "]\n",
            "muls r5, ",
            $w,
            ", r5\n",
            "add r9, r5\n",
            "ldrb r5, [r0, #",
            $x1,
            "]\n",
            "muls r5, ",
            $w,
            ", r5\n",
            "add r10, r5\n",
            "ldrb r5, [r0, #",
            $x2,
            "]\n",
            "muls r5, ",
            $w,
            ", r5\n",
            "add r11, r5\n",
            "ldrb r5, [r0, #",
            $x3,
            "]\n",
            "muls r5, ",
            $w,
            ", r5\n",
            "add r12, r5\n",
        )
    };
}

/// Output rows of a channel. Registers: `r0` strip, `r1`-`r3` weights, `r4` next weights, `r5` term, `r6` kernel rows left, `r7`
/// distance of lines, `r8` lines, `r9`-`r12` sums, `lr` distance of outputs. Stack: strip and place of the next output, outputs
/// left.
///
/// Four outputs of a kernel three wide: 3.33 instructions per MAC; one: 4.33; other kernels 7. 20 per output value.
///
/// # Safety
/// As [`Machine::depthwise`].
#[unsafe(naked)]
unsafe extern "C" fn rows(lines: *mut Lines) {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "push {{r4-r7}}",
        "sub sp, #20",
        "mov r8, r0",
        "ldr r1, [r0, #16]",
        "mov lr, r1",
        // Next row.
        "1:",
        "mov r0, r8",
        "ldr r1, [r0]",
        "str r1, [sp, #4]",
        "ldr r1, [r0, #12]",
        "str r1, [sp, #8]",
        "ldr r1, [r0, #20]",
        "str r1, [sp, #12]",
        // Next outputs.
        "2:",
        "mov r2, r8",
        "ldr r0, [sp, #4]",
        "ldr r4, [r2, #4]",
        "ldr r3, [r2, #8]",
        "ldr r3, [r3]",
        "mov r9, r3",
        "ldr r6, [r2, #40]",
        "ldr r7, [r2, #36]",
        "ldr r1, [r2, #44]",
        "cmp r1, #3",
        "beq 21f",
        "b 6f",
        "21:",
        "ldr r1, [sp, #12]",
        "cmp r1, #4",
        "bge 22f",
        "b 5f",
        "22:",
        "ldr r1, [r2, #48]",
        "mov r10, r3",
        "mov r11, r3",
        "mov r12, r3",
        "cmp r1, #1",
        "bne 4f",
        "3:",
        "ldmia r4!, {{r1-r3}}",
        term!("r1", "0", "1", "2", "3"),
        term!("r2", "1", "2", "3", "4"),
        term!("r3", "2", "3", "4", "5"),
        "adds r0, r0, r7",
        "subs r6, #1",
        "bne 3b",
        "b 7f",
        "4:",
        "cmp r1, #2",
        "bne 5f",
        "40:",
        "ldmia r4!, {{r1-r3}}",
        term!("r1", "0", "2", "4", "6"),
        term!("r2", "1", "3", "5", "7"),
        term!("r3", "2", "4", "6", "8"),
        "adds r0, r0, r7",
        "subs r6, #1",
        "bne 40b",
        "b 7f",
        // One output, three taps.
        "5:",
        "ldmia r4!, {{r1-r3}}",
        "ldrb r5, [r0]",
        "muls r5, r1, r5",
        "add r9, r5",
        "ldrb r5, [r0, #1]",
        "muls r5, r2, r5",
        "add r9, r5",
        "ldrb r5, [r0, #2]",
        "muls r5, r3, r5",
        "add r9, r5",
        "adds r0, r0, r7",
        "subs r6, #1",
        "bne 5b",
        "b 8f",
        // One output, any taps.
        "6:",
        "mov r1, r8",
        "ldr r1, [r1, #44]",
        "mov r2, r0",
        "60:",
        "ldrb r5, [r2]",
        "ldmia r4!, {{r3}}",
        "muls r5, r3, r5",
        "add r9, r5",
        "adds r2, #1",
        "subs r1, #1",
        "bne 60b",
        "adds r0, r0, r7",
        "subs r6, #1",
        "bne 6b",
        // One output value.
        "8:",
        "movs r0, #1",
        "str r0, [sp, #16]",
        "b 70f",
        // Four output values.
        "7:",
        "movs r0, #4",
        "str r0, [sp, #16]",
        "70:",
        "mov r7, r8",
        "ldr r7, [r7, #8]",
        "adds r7, #4",
        "ldmia r7!, {{r1-r6}}",
        write!("r9", "52", "56", "8", "lr"),
        "ldr r7, [sp, #16]",
        "cmp r7, #1",
        "bne 71f",
        "b 9f",
        "71:",
        write!("r10", "52", "56", "8", "lr"),
        write!("r11", "52", "56", "8", "lr"),
        write!("r12", "52", "56", "8", "lr"),
        "9:",
        "mov r0, r8",
        "ldr r1, [r0, #48]",
        "ldr r2, [sp, #16]",
        "muls r1, r2, r1",
        "ldr r3, [sp, #4]",
        "adds r3, r3, r1",
        "str r3, [sp, #4]",
        "ldr r1, [sp, #12]",
        "subs r1, r1, r2",
        "str r1, [sp, #12]",
        "beq 10f",
        "b 2b",
        "10:",
        "ldr r1, [r0]",
        "ldr r2, [r0, #28]",
        "adds r1, r1, r2",
        "str r1, [r0]",
        "ldr r1, [r0, #12]",
        "ldr r2, [r0, #32]",
        "adds r1, r1, r2",
        "str r1, [r0, #12]",
        "ldr r1, [r0, #24]",
        "subs r1, #1",
        "str r1, [r0, #24]",
        "beq 11f",
        "b 1b",
        "11:",
        "add sp, #20",
        "pop {{r4-r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "pop {{r4-r7, pc}}",
    )
}
