//! The kernel table and its assembly.

use core::arch::naked_asm;

use tanbo_packing::{Layout, rv32};

use super::Rv32;
use crate::arch::pairs::{Job, Lines, Machine, table};

table! { Rv32, "rv32" }

impl Machine for Rv32 {
    const LAYOUT: Layout = rv32::LAYOUT;
    const FEWEST: usize = 2;

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

/// Adds term `$n` of two outputs: its pairs are in `$p`, `$q`.
macro_rules! term {
    ($n:literal, $p:literal, $q:literal) => {
        concat!(
            "lb a5, ",
            $n,
            "(a2)\n",
            "mul a6, ",
            $p,
            ", a5\n",
            "add s0, s0, a6\n",
            "mul a6, ",
            $q,
            ", a5\n",
            "add s1, s1, a6\n",
            "lb a5, ",
            $n,
            "(a3)\n",
            "mul a6, ",
            $p,
            ", a5\n",
            "add s2, s2, a6\n",
            "mul a6, ",
            $q,
            ", a5\n",
            "add s3, s3, a6\n",
        )
    };
}

/// The first term of a group.
macro_rules! first_term {
    ($n:literal, $p:literal, $q:literal) => {
        concat!(
            "lb a5, ",
            $n,
            "(a2)\n",
            "mul s0, ",
            $p,
            ", a5\n",
            "add s0, s0, a4\n",
            "mul s1, ",
            $q,
            ", a5\n",
            "add s1, s1, a4\n",
            "lb a5, ",
            $n,
            "(a3)\n",
            "mul s2, ",
            $p,
            ", a5\n",
            "add s2, s2, a4\n",
            "mul s3, ",
            $q,
            ", a5\n",
            "add s3, s3, a4\n",
        )
    };
}

/// Adds a group's words to the sums.
macro_rules! split {
    () => {
        "add s4, s4, s0
         srai s0, s0, 16
         add s8, s8, s0
         add s5, s5, s1
         srai s1, s1, 16
         add s9, s9, s1
         add s6, s6, s2
         srai s2, s2, 16
         add s10, s10, s2
         add s7, s7, s3
         srai s3, s3, 16
         add s11, s11, s3
        "
    };
}

macro_rules! load_group {
    () => {
        "lw t0, 0(a1)
         lw t1, 4(a1)
         lw t2, 8(a1)
         lw t3, 12(a1)
         lw t4, 16(a1)
         lw t5, 20(a1)
         lw t6, 24(a1)
         lw a7, 28(a1)
        "
    };
}

/// The output value of accumulator `$a`, at `$at`. `t0`, `t1`, `t2`: `m`, `C`, `s`; `t3`, `t4`: least and greatest value; `t5`: sign;
/// `a5`, `a6` are free.
macro_rules! requantize {
    ($a:literal, $at:literal) => {
        concat!(
            "slli ",
            $a,
            ", ",
            $a,
            ", 2\n",
            "mulh a6, ",
            $a,
            ", t0\n",
            "srai a5, ",
            $a,
            ", 31\n",
            "and a5, a5, t5\n",
            "add a6, a6, t1\n",
            "add a6, a6, a5\n",
            "sra a6, a6, t2\n",
            "bge a6, t3, 90f\n",
            "mv a6, t3\n",
            "90: bge t4, a6, 91f\n",
            "mv a6, t4\n",
            "91: sb a6, 0(",
            $at,
            ")\n",
        )
    };
}

/// Output values of four pixels, accumulators `$a` to `$d`, from the record at `ra` on, to `t6`.
macro_rules! finish {
    ($words0:literal, $high0:literal, $words1:literal, $high1:literal) => {
        concat!(
            "lw t0, 12(ra)\n",
            "lw t1, 16(ra)\n",
            "lw t2, 20(ra)\n",
            "slli a5, ",
            $high0,
            ", 16\n",
            "sub ",
            $words0,
            ", ",
            $words0,
            ", a5\n",
            "slli a5, ",
            $high1,
            ", 16\n",
            "sub ",
            $words1,
            ", ",
            $words1,
            ", a5\n",
            "mv a7, t6\n",
            requantize!($words0, "a7"),
            "add a7, a7, a4\n",
            requantize!($high0, "a7"),
            "add a7, a7, a4\n",
            requantize!($words1, "a7"),
            "add a7, a7, a4\n",
            requantize!($high1, "a7"),
        )
    };
}

/// Four pixels, all outputs, two at a time; a last odd one is computed twice. Registers in the loop over groups: `a1` patch, `a2`,
/// `a3` weights, `a4` 2^15, `a5` weight, `a6` product, `t0`-`t6`, `a7` pairs, `s0`-`s3` the group's sums, `s4`-`s7` words' sums,
/// `s8`-`s11` high halves' sums, `ra` end of the chunk. Stack: job, flags, weights and record of the second output.
///
/// 2 instructions per MAC, 2.6 where groups of four do not fit; 0.04 for chunks, 20 per output value.
///
/// # Safety
/// As [`Machine::tile`].
#[unsafe(naked)]
unsafe extern "C" fn four(job: *mut Job) {
    naked_asm!(
        ".option push",
        ".option arch, +m",
        "addi sp, sp, -80",
        "sw ra, 76(sp)",
        "sw s0, 72(sp)",
        "sw s1, 68(sp)",
        "sw s2, 64(sp)",
        "sw s3, 60(sp)",
        "sw s4, 56(sp)",
        "sw s5, 52(sp)",
        "sw s6, 48(sp)",
        "sw s7, 44(sp)",
        "sw s8, 40(sp)",
        "sw s9, 36(sp)",
        "sw s10, 32(sp)",
        "sw s11, 28(sp)",
        "lw a2, 8(a0)",
        // Next outputs: the second is one record and as many weights on as the patch has eighths of bytes.
        "1:",
        "lw a1, 0(a0)",
        "lw a4, 4(a0)",
        "sub a4, a4, a1",
        "srli a4, a4, 3",
        "lw t0, 12(a0)",
        "lw t1, 16(a0)",
        "li t2, 1",
        "mv a3, a2",
        "mv t3, t0",
        "beq t1, t2, 2f",
        "add a3, a2, a4",
        "addi t3, t0, 24",
        "2:",
        "sw t3, 0(sp)",
        "lw s8, 0(t0)",
        "lw s4, 4(t0)",
        "lw t4, 8(t0)",
        "mv s9, s8",
        "mv s5, s4",
        "lw s10, 0(t3)",
        "lw s6, 4(t3)",
        "lw t5, 8(t3)",
        "mv s11, s10",
        "mv s7, s6",
        "and t4, t4, t5",
        "li a4, 0x8000",
        "lw ra, 28(a0)",
        "3:",
        "slli ra, ra, 5",
        "add ra, ra, a1",
        "slli t5, t4, 1",
        "sw t5, 4(sp)",
        "bgez t4, 5f",
        "4:",
        load_group!(),
        first_term!("0", "t0", "t1"),
        term!("1", "t2", "t3"),
        term!("2", "t4", "t5"),
        term!("3", "t6", "a7"),
        split!(),
        "addi a1, a1, 32",
        "addi a2, a2, 4",
        "addi a3, a3, 4",
        "bne a1, ra, 4b",
        "j 6f",
        // A chunk of groups that have to be split.
        "5:",
        load_group!(),
        first_term!("0", "t0", "t1"),
        term!("1", "t2", "t3"),
        split!(),
        "sub s4, s4, a4",
        "sub s5, s5, a4",
        "sub s6, s6, a4",
        "sub s7, s7, a4",
        first_term!("2", "t4", "t5"),
        term!("3", "t6", "a7"),
        split!(),
        "addi a1, a1, 32",
        "addi a2, a2, 4",
        "addi a3, a3, 4",
        "bne a1, ra, 5b",
        "6:",
        "lw t0, 4(a0)",
        "lw t4, 4(sp)",
        "li ra, 8",
        "bne a1, t0, 3b",
        // Output values.
        "lw ra, 12(a0)",
        "lw t6, 20(a0)",
        "lw a4, 24(a0)",
        "lw t3, 32(a0)",
        "lw t4, 36(a0)",
        "lw t5, 40(a0)",
        finish!("s4", "s8", "s5", "s9"),
        "lw t0, 0(sp)",
        "lw a1, 16(a0)",
        "beq t0, ra, 7f",
        "mv ra, t0",
        "addi t6, t6, 1",
        "addi a1, a1, -1",
        finish!("s6", "s10", "s7", "s11"),
        "7:",
        "addi t6, t6, 1",
        "addi a1, a1, -1",
        "addi ra, ra, 24",
        "sw t6, 20(a0)",
        "sw a1, 16(a0)",
        "sw ra, 12(a0)",
        "mv a2, a3",
        "bnez a1, 1b",
        "lw ra, 76(sp)",
        "lw s0, 72(sp)",
        "lw s1, 68(sp)",
        "lw s2, 64(sp)",
        "lw s3, 60(sp)",
        "lw s4, 56(sp)",
        "lw s5, 52(sp)",
        "lw s6, 48(sp)",
        "lw s7, 44(sp)",
        "lw s8, 40(sp)",
        "lw s9, 36(sp)",
        "lw s10, 32(sp)",
        "lw s11, 28(sp)",
        "addi sp, sp, 80",
        "ret",
        ".option pop",
    )
}

/// One pixel, all outputs. Registers: `a1` patch, `a2` weights, `a3` end of the patch, `t0`-`t3` products, `a4`-`a7` weights, `t6` sum.
///
/// 4 instructions per MAC, 0.75 per group, 30 per output value.
///
/// # Safety
/// As [`Machine::single`].
#[unsafe(naked)]
unsafe extern "C" fn one(job: *mut Job) {
    naked_asm!(
        ".option push",
        ".option arch, +m",
        "lw a2, 8(a0)",
        "lw a3, 4(a0)",
        "1:",
        "lw a1, 0(a0)",
        "lw a4, 12(a0)",
        "lw t6, 0(a4)",
        "2:",
        "lw t0, 0(a1)",
        "lw t1, 4(a1)",
        "lw t2, 8(a1)",
        "lw t3, 12(a1)",
        "lb a4, 0(a2)",
        "lb a5, 1(a2)",
        "lb a6, 2(a2)",
        "lb a7, 3(a2)",
        "mul t0, t0, a4",
        "mul t1, t1, a5",
        "mul t2, t2, a6",
        "mul t3, t3, a7",
        "add t6, t6, t0",
        "add t6, t6, t1",
        "add t6, t6, t2",
        "add t6, t6, t3",
        "addi a1, a1, 16",
        "addi a2, a2, 4",
        "bne a1, a3, 2b",
        "lw a4, 12(a0)",
        "lw t0, 12(a4)",
        "lw t1, 16(a4)",
        "lw t2, 20(a4)",
        "addi a4, a4, 24",
        "sw a4, 12(a0)",
        "lw t3, 32(a0)",
        "lw t4, 36(a0)",
        "lw t5, 40(a0)",
        "lw a7, 20(a0)",
        requantize!("t6", "a7"),
        "addi a7, a7, 1",
        "sw a7, 20(a0)",
        "lw a7, 16(a0)",
        "addi a7, a7, -1",
        "sw a7, 16(a0)",
        "bnez a7, 1b",
        "ret",
        ".option pop",
    )
}

/// The activation at `$x` from `a1`, into `a5`, times weight `$w` into sum `$s`.
macro_rules! add_product {
    ($w:literal, $s:literal) => {
        concat!("mul a6, a5, ", $w, "\nadd ", $s, ", ", $s, ", a6\n")
    };
}

/// Three terms of four outputs whose windows are `$by` apart, from `a1` on; weights in `t0`-`t2`, sums in `s0`-`s3`.
macro_rules! three_terms {
    (1) => {
        concat!(
            "lb a5, 0(a1)\n",
            add_product!("t0", "s0"),
            "lb a5, 1(a1)\n",
            add_product!("t1", "s0"),
            add_product!("t0", "s1"),
            "lb a5, 2(a1)\n",
            add_product!("t2", "s0"),
            add_product!("t1", "s1"),
            add_product!("t0", "s2"),
            "lb a5, 3(a1)\n",
            add_product!("t2", "s1"),
            add_product!("t1", "s2"),
            add_product!("t0", "s3"),
            "lb a5, 4(a1)\n",
            add_product!("t2", "s2"),
            add_product!("t1", "s3"),
            "lb a5, 5(a1)\n",
            add_product!("t2", "s3"),
        )
    };
    (2) => {
        concat!(
            "lb a5, 0(a1)\n",
            add_product!("t0", "s0"),
            "lb a5, 1(a1)\n",
            add_product!("t1", "s0"),
            "lb a5, 2(a1)\n",
            add_product!("t2", "s0"),
            add_product!("t0", "s1"),
            "lb a5, 3(a1)\n",
            add_product!("t1", "s1"),
            "lb a5, 4(a1)\n",
            add_product!("t2", "s1"),
            add_product!("t0", "s2"),
            "lb a5, 5(a1)\n",
            add_product!("t1", "s2"),
            "lb a5, 6(a1)\n",
            add_product!("t2", "s2"),
            add_product!("t0", "s3"),
            "lb a5, 7(a1)\n",
            add_product!("t1", "s3"),
            "lb a5, 8(a1)\n",
            add_product!("t2", "s3"),
        )
    };
}

/// Output rows of a channel. Registers: `a1` strip, `a2` weights, `a3` kernel rows left, `a4` bias, `a5` term, `a6` product, `a7`
/// place of the next output, `t0`-`t2` weights, then `m`, `C`, `s`, `t3`, `t4` bounds, `t5` sign, `t6` record, `s0`-`s3` sums, `s4`
/// strip of the next output, `s5` outputs left, `s6` distance of outputs, `s7` width of the kernel, `s8` stride, `s9` distance of
/// lines.
///
/// Four outputs of a kernel three wide: 3 instructions per MAC; others 7. 13 per output value.
///
/// # Safety
/// As [`Machine::depthwise`].
#[unsafe(naked)]
unsafe extern "C" fn rows(lines: *mut Lines) {
    naked_asm!(
        ".option push",
        ".option arch, +m",
        "addi sp, sp, -48",
        "sw s0, 44(sp)",
        "sw s1, 40(sp)",
        "sw s2, 36(sp)",
        "sw s3, 32(sp)",
        "sw s4, 28(sp)",
        "sw s5, 24(sp)",
        "sw s6, 20(sp)",
        "sw s7, 16(sp)",
        "sw s8, 12(sp)",
        "sw s9, 8(sp)",
        "lw t6, 8(a0)",
        "lw a4, 0(t6)",
        "lw s6, 16(a0)",
        "lw s7, 44(a0)",
        "lw s8, 48(a0)",
        "lw s9, 36(a0)",
        "lw t3, 52(a0)",
        "lw t4, 56(a0)",
        "lw t5, 60(a0)",
        // Next row.
        "1:",
        "lw s4, 0(a0)",
        "lw a7, 12(a0)",
        "lw s5, 20(a0)",
        // Next outputs.
        "2:",
        "mv a1, s4",
        "lw a2, 4(a0)",
        "lw a3, 40(a0)",
        "mv s0, a4",
        "li t0, 3",
        "bne s7, t0, 5f",
        "li t0, 4",
        "blt s5, t0, 5f",
        "mv s1, a4",
        "mv s2, a4",
        "mv s3, a4",
        "li t0, 1",
        "bne s8, t0, 4f",
        "3:",
        "lb t0, 0(a2)",
        "lb t1, 1(a2)",
        "lb t2, 2(a2)",
        three_terms!(1),
        "addi a2, a2, 3",
        "add a1, a1, s9",
        "addi a3, a3, -1",
        "bnez a3, 3b",
        "j 7f",
        "4:",
        "li t0, 2",
        "bne s8, t0, 5f",
        "40:",
        "lb t0, 0(a2)",
        "lb t1, 1(a2)",
        "lb t2, 2(a2)",
        three_terms!(2),
        "addi a2, a2, 3",
        "add a1, a1, s9",
        "addi a3, a3, -1",
        "bnez a3, 40b",
        "j 7f",
        // One output.
        "5:",
        "mv t0, s7",
        "mv t1, a1",
        "6:",
        "lb a5, 0(t1)",
        "lb a6, 0(a2)",
        "mul a5, a5, a6",
        "add s0, s0, a5",
        "addi t1, t1, 1",
        "addi a2, a2, 1",
        "addi t0, t0, -1",
        "bnez t0, 6b",
        "add a1, a1, s9",
        "addi a3, a3, -1",
        "bnez a3, 5b",
        "lw t0, 4(t6)",
        "lw t1, 8(t6)",
        "lw t2, 12(t6)",
        requantize!("s0", "a7"),
        "add a7, a7, s6",
        "add s4, s4, s8",
        "addi s5, s5, -1",
        "bnez s5, 2b",
        "j 8f",
        // Four output values.
        "7:",
        "lw t0, 4(t6)",
        "lw t1, 8(t6)",
        "lw t2, 12(t6)",
        requantize!("s0", "a7"),
        "add a7, a7, s6",
        requantize!("s1", "a7"),
        "add a7, a7, s6",
        requantize!("s2", "a7"),
        "add a7, a7, s6",
        requantize!("s3", "a7"),
        "add a7, a7, s6",
        "slli t0, s8, 2",
        "add s4, s4, t0",
        "addi s5, s5, -4",
        "bnez s5, 2b",
        "8:",
        "lw t0, 0(a0)",
        "lw t1, 28(a0)",
        "add t0, t0, t1",
        "sw t0, 0(a0)",
        "lw t0, 12(a0)",
        "lw t1, 32(a0)",
        "add t0, t0, t1",
        "sw t0, 12(a0)",
        "lw t0, 24(a0)",
        "addi t0, t0, -1",
        "sw t0, 24(a0)",
        "bnez t0, 1b",
        "lw s0, 44(sp)",
        "lw s1, 40(sp)",
        "lw s2, 36(sp)",
        "lw s3, 32(sp)",
        "lw s4, 28(sp)",
        "lw s5, 24(sp)",
        "lw s6, 20(sp)",
        "lw s7, 16(sp)",
        "lw s8, 12(sp)",
        "lw s9, 8(sp)",
        "addi sp, sp, 48",
        "ret",
        ".option pop",
    )
}
