//! The kernel table and its assembly.

use core::arch::naked_asm;
use core::ops::Range;

use tanbo_packing::{Layout, m0};

use super::M0;
use crate::arch::pairs::{self, Job, Machine};
use crate::{KernelResult, Kernels, Output, Packed, Rows, RowsMut};

impl Kernels for M0 {
    const NAME: &'static str = "m0";
    const LAYOUTS: &'static [Layout] = &[m0::LAYOUT];

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

/// A patch of a pair has per group four pairs and the word that turns unsigned weights, `w + 128`, back: `2^15 - 128 · their
/// sum`.
impl Machine for M0 {
    const LAYOUT: Layout = m0::LAYOUT;
    const PIXELS: usize = 2;
    const GROUP_WORDS: usize = 5;
    const DEPTHWISE_RECORD_WORDS: usize = 7;
    const FEWEST: usize = 2;

    fn fill(runs: &[&[i8]; 4], patch: &mut [i32]) {
        let [a, b, ..] = runs;
        for ((words, a), b) in patch.chunks_exact_mut(5).zip(a.chunks_exact(4)).zip(b.chunks_exact(4)) {
            let mut rest = 1 << 15;
            for n in 0..4 {
                let pair = i32::from(a[n]) + (i32::from(b[n]) << 16);
                words[n] = pair;
                rest -= pair << 7;
            }
            words[4] = rest;
        }
    }

    unsafe fn tile(job: &mut Job) {
        // SAFETY: the caller keeps to the contract.
        unsafe { pair(job) }
    }

    unsafe fn single(job: &mut Job) {
        // SAFETY: the caller keeps to the contract.
        unsafe { one(job) }
    }

    fn base(sum: i32) -> i32 {
        -(sum << 7)
    }

    fn requantize(record: &[i32], range: &Output, accumulator: i32) -> i8 {
        let &[width, low, high, positive, pivot, negative] = record else { return 0 };
        let a = accumulator as u32;
        if a >= width as u32 {
            return if accumulator < 0 { range.low as i8 } else { range.high as i8 };
        }
        let rest = (a >> 2).wrapping_mul(low as u32) >> 12;
        let constant = if a < pivot as u32 { negative } else { positive };
        let value = a.wrapping_mul(high as u32).wrapping_add(rest).wrapping_add(constant as u32);
        (value >> 24) as i8
    }
}

/// One group of four terms of a pixel pair, its weights from `$at` on: 16 instructions for 8 MACs.
macro_rules! group {
    ($w0:literal, $w1:literal, $w2:literal, $w3:literal) => {
        concat!(
            "ldmia r6!, {{r0-r4}}\n",
            "ldrb r5, [r7, #",
            $w0,
            "]\n",
            "muls r0, r5, r0\n",
            "ldrb r5, [r7, #",
            $w1,
            "]\n",
            "muls r1, r5, r1\n",
            "adds r0, r0, r1\n",
            "ldrb r5, [r7, #",
            $w2,
            "]\n",
            "muls r2, r5, r2\n",
            "adds r0, r0, r2\n",
            "ldrb r5, [r7, #",
            $w3,
            "]\n",
            "muls r3, r5, r3\n",
            "adds r0, r0, r3\n",
            "adds r0, r0, r4\n",
            "add r8, r0\n",
            "asrs r0, r0, #16\n",
            "add r9, r0\n",
        )
    };
}

/// The output value of accumulator `r0`, into `r0`: 12 instructions. `r1` to `r6`: `W`, `ml`, `mh`, `C`, `Z`, `D`; `r7` is free; `r8`:
/// job.
macro_rules! requantize {
    () => {
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
         ldr r0, [r7, #36]
         b 93f
         92:
         ldr r0, [r7, #32]
         93:
        "
    };
}

/// A pixel pair, all outputs. Registers in the loop over groups: `r0`-`r4` pairs, `r5` weight, `r6` patch, `r7` weights, `r8` words'
/// sum, `r9` high halves' sum, `r10` flags, `r11` end of the patch, `r12` entry of the first chunk, `lr` groups left in a chunk.
/// Stack: job.
///
/// 2 instructions per MAC, 3 where groups of four do not fit; 0.11 for chunks, 30 per output value.
///
/// # Safety
/// As [`Machine::tile`].
#[unsafe(naked)]
unsafe extern "C" fn pair(job: *mut Job) {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "mov r7, r11",
        "push {{r4-r7}}",
        "sub sp, #12",
        "str r0, [sp]",
        "ldr r2, [r0, #4]",
        "mov r11, r2",
        // Entry into the unrolled chunk for the first, shorter one, whose weights are that much before.
        "ldr r3, [r0, #28]",
        "movs r1, #8",
        "subs r1, r1, r3",
        "lsls r3, r1, #2",
        "str r3, [sp, #4]",
        "lsls r1, r1, #5",
        "adr r2, 20f",
        "b 19f",
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
        "2:",
        "cmp r6, r11",
        "beq 6f",
        "mov r0, r10",
        "lsls r0, r0, #1",
        "mov r10, r0",
        "bcc 3f",
        "b 20b",
        "3:",
        "movs r0, #8",
        "mov lr, r0",
        // A chunk of groups that have to be split.
        "5:",
        "ldmia r6!, {{r0-r4}}",
        "ldrb r5, [r7]",
        "subs r5, #128",
        "muls r0, r5, r0",
        "ldrb r5, [r7, #1]",
        "subs r5, #128",
        "muls r1, r5, r1",
        "adds r0, r0, r1",
        "add r8, r0",
        "mov r4, r9",
        "asrs r0, r0, #16",
        "adcs r4, r0",
        "mov r9, r4",
        "ldrb r5, [r7, #2]",
        "subs r5, #128",
        "muls r2, r5, r2",
        "ldrb r5, [r7, #3]",
        "subs r5, #128",
        "muls r3, r5, r3",
        "adds r2, r2, r3",
        "movs r4, #128",
        "lsls r4, r4, #8",
        "adds r2, r2, r4",
        "add r8, r2",
        "asrs r2, r2, #16",
        "add r9, r2",
        "adds r7, #4",
        "mov r4, lr",
        "subs r4, #1",
        "mov lr, r4",
        "bne 5b",
        "b 2b",
        // Next output.
        "19:",
        "adds r2, r2, r1",
        "mov r12, r2",
        "ldr r7, [r0, #8]",
        "1:",
        "ldr r0, [sp]",
        "ldr r1, [r0, #12]",
        "ldmia r1!, {{r2, r3, r4}}",
        "mov r9, r2",
        "mov r8, r3",
        "ldr r6, [r0]",
        "lsls r4, r4, #1",
        "mov r10, r4",
        "bcc 4f",
        "ldr r4, [sp, #4]",
        "subs r7, r7, r4",
        "mov pc, r12",
        "4:",
        "ldr r0, [r0, #28]",
        "mov lr, r0",
        "b 5b",
        // The low half's sum, then two output values.
        "6:",
        "str r7, [sp, #8]",
        "mov r1, r9",
        "lsls r1, r1, #16",
        "mov r0, r8",
        "subs r0, r0, r1",
        "ldr r7, [sp]",
        "mov r8, r7",
        "ldr r1, [r7, #12]",
        "adds r1, #12",
        "mov r10, r1",
        "mov r7, r1",
        "ldmia r7!, {{r1-r6}}",
        "mov r10, r7",
        requantize!(),
        "mov r7, r8",
        "ldr r7, [r7, #20]",
        "strb r0, [r7]",
        "mov r0, r9",
        requantize!(),
        "mov r7, r8",
        "ldr r1, [r7, #20]",
        "ldr r2, [r7, #24]",
        "strb r0, [r1, r2]",
        "adds r1, #1",
        "str r1, [r7, #20]",
        "mov r1, r10",
        "str r1, [r7, #12]",
        "ldr r1, [r7, #16]",
        "subs r1, #1",
        "str r1, [r7, #16]",
        "beq 7f",
        "ldr r7, [sp, #8]",
        "b 1b",
        "7:",
        "add sp, #12",
        "pop {{r4-r7}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "mov r11, r7",
        "pop {{r4-r7, pc}}",
    )
}

/// One pixel, all outputs. Registers: `r0`-`r3` terms, `r4` weight, `r5` sum, `r6` patch, `r7` weights, `r8` job, `r11` end of the patch.
///
/// 3.25 instructions per MAC, 0.75 per group, 38 per output value.
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
        "sub sp, #4",
        "mov r8, r0",
        "ldr r2, [r0, #4]",
        "mov r11, r2",
        "ldr r7, [r0, #8]",
        "1:",
        "mov r0, r8",
        "ldr r6, [r0]",
        "ldr r5, [r0, #44]",
        "ldr r1, [r0, #12]",
        "ldr r1, [r1]",
        "adds r5, r5, r1",
        "2:",
        "ldmia r6!, {{r0-r3}}",
        "ldrb r4, [r7]",
        "muls r0, r4, r0",
        "adds r5, r5, r0",
        "ldrb r4, [r7, #1]",
        "muls r1, r4, r1",
        "adds r5, r5, r1",
        "ldrb r4, [r7, #2]",
        "muls r2, r4, r2",
        "adds r5, r5, r2",
        "ldrb r4, [r7, #3]",
        "muls r3, r4, r3",
        "adds r5, r5, r3",
        "adds r7, #4",
        "cmp r6, r11",
        "bne 2b",
        "str r7, [sp]",
        "mov r0, r5",
        "mov r7, r8",
        "ldr r1, [r7, #12]",
        "adds r1, #36",
        "str r1, [r7, #12]",
        "subs r1, #24",
        "mov r7, r1",
        "ldmia r7!, {{r1-r6}}",
        requantize!(),
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
        "add sp, #4",
        "pop {{r4, r5}}",
        "mov r8, r4",
        "mov r11, r5",
        "pop {{r4-r7, pc}}",
    )
}
