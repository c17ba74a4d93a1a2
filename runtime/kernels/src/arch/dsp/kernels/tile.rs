//! Convolution tiles: some pixels times all output channels, four values of the patch at a time.
//!
//! Weights lie in pairs as halfwords `256·w1 + w0`; `SXTB16` of a word of two pairs leaves `(w0, w2)`. A prepared patch has,
//! for each four activations, `P = (a1, a3)` and `X = (256·a0 - a1 + 127, 256·a2 - a3 + 127)`, so that
//! `SMLAD(word, P) + SMLAD(SXTB16(word), X)` is `256·(a0·w0 + .. + a3·w3) + 127·(w0 + w2)`. The second term is in the bias of
//! the record. Accumulators are thus 256 times the true ones at the end; in between they may wrap.

use core::arch::naked_asm;

use tanbo_quant::Rounding;

use super::patch;
use crate::Packed;

/// Most pixels of a tile.
pub const MOST: usize = 5;

/// Returns how many of `left` pixels the next tile should have, of at most `most`: fives where threes leave a rest, since twos
/// take more instructions, and two and two rather than three and one.
pub fn pixels(left: usize, most: usize) -> usize {
    let fives = match left % 3 {
        1 => left == 7 || left >= 10,
        2 => left >= 5,
        _ => false,
    };
    if fives && most >= MOST {
        MOST
    } else if left == 4 {
        2
    } else {
        left.min(3)
    }
}

/// What a tile works on. The layout is known to the assembly below.
#[repr(C)]
pub struct Tile {
    /// Records of the output channels.
    pub records: *const i32,
    /// Prepared patch, as [`patch`](super::patch) writes it.
    pub patch: *mut u32,
    /// Passes through the loop of four steps; a step is four values of the patch.
    pub blocks: usize,
    /// Packed weights.
    pub weights: *const i8,
    /// Steps left out of the first pass, 0 to 3; the assembly puts an address here.
    pub skip: usize,
    /// 1 for TensorFlow Lite's rounding, 0 for single rounding; the assembly puts an address here.
    pub tflite: usize,
    /// Output channels.
    pub channels: usize,
    /// First output of the first pixel.
    pub output: *mut i8,
    /// Distance between pixels of the output.
    pub stride: usize,
}

impl Tile {
    /// Returns the tile of a step whose patches have `words` words a pixel, without a place for its output.
    pub fn new(p: &Packed<'_>, patch: &mut [u32], words: usize) -> Self {
        Self {
            records: p.records.as_ptr(),
            patch: patch.as_mut_ptr(),
            weights: p.weights.as_ptr(),
            blocks: words.div_ceil(4),
            skip: words.wrapping_neg() % 4,
            tflite: usize::from(p.range.rounding == Rounding::Tflite),
            channels: p.shape.output[2],
            output: core::ptr::null_mut(),
            stride: p.shape.output[2],
        }
    }

    /// Prepares the patches of `count` pixels, `runs` of `words` each, and computes their channels.
    ///
    /// # Safety
    /// `count` is 1, for weights in fours, or else 2, 3 or 5. `sources` must hold, for each run, `count` addresses of `words`
    /// words; `runs · words` must be the words of the step, and the patch have room for twice as many of each pixel. Weights and
    /// records must have the packing's lengths, the output `count` pixels. No count is 0.
    #[inline(always)]
    pub unsafe fn compute(&self, count: usize, sources: *const u32, runs: usize, words: usize) {
        let (patch, sources) = (self.patch, sources.cast::<*const i8>());
        // SAFETY: as the caller promises.
        unsafe {
            match count {
                1 => patch::one(patch, sources, runs, words),
                2 => patch::two(patch, sources, runs, words),
                MOST => patch::five(patch, sources, runs, words),
                _ => patch::three(patch, sources, runs, words),
            }
            match count {
                1 => one_by_four(self),
                2 => two(self),
                MOST => five(self),
                _ => three(self),
            }
        }
    }
}

// A copy of the `Tile` in r0 on the stack, with addresses for `skip` and `tflite`.
macro_rules! enter {
    () => {
        concat!(
            "push {{r4-r11, lr}}\nldm r0, {{r1-r9}}\n",
            "adr r10, 3f\nldrh r11, [r10]\nadr r12, 40f + 1\nmla r5, r5, r11, r12\n",
            "cmp r6, #0\nite eq\nadreq r6, 5f + 1\nadrne r6, 4f + 1\n",
            "push {{r1-r9}}\nmov r12, r4\nb 2f\n",
            ".p2align 1\n3:\n.hword 41f - 40f\n"
        )
    };
}

// Four accumulators of one channel each to int8: `$f` is 1 for TensorFlow Lite rounding.
//
// single, 3 instructions: ((acc·m >> 32) + C) >> s, C = (zp << s) + 2^(s - 1); s counts the factor 256.
// tflite, 5 instructions: RD(HM(acc / 256, m), s) + zp with C = (zp << s) + 2^(s - 1), one less for negative sums.
macro_rules! requantize {
    (single $acc:literal) => {
        concat!(
            "smmla ",
            $acc,
            ", ",
            $acc,
            ", r1, r2\nasr ",
            $acc,
            ", ",
            $acc,
            ", r3\nssat ",
            $acc,
            ", #8, ",
            $acc,
            "\n"
        )
    };
    (tflite $acc:literal) => {
        concat!(
            "add r10, r2, ",
            $acc,
            ", asr #31\nasr ",
            $acc,
            ", ",
            $acc,
            ", #7\nsmmlar ",
            $acc,
            ", ",
            $acc,
            ", r1, r10\n",
            "asr ",
            $acc,
            ", ",
            $acc,
            ", r3\nssat ",
            $acc,
            ", #8, ",
            $acc,
            "\n"
        )
    };
}

// A tile of pixels times two channels per round.
//
// Registers: r0-r2 patch, r3 patch pointer, r4-r9 accumulators (channel 0 of all pixels, then channel 1), r10 r11 weights,
// r12 weight pointer, kept throughout, lr passes left. Stack: a copy of `Tile`.
macro_rules! tile {
    (
        $(#[$doc:meta])* $name:ident:
        step [$($step:literal)*] copy [$($copy:literal)*] biases $biases:literal first [$($first:literal)*] second [$($second:literal)*]
        merge [$($merge:literal)*] halves [$($half:literal)*] bytes [$($byte:literal)*]
    ) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// All pointers of the tile must be valid for what its counts say; the patch must be aligned to 4 bytes.
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name(tile: *const Tile) {
            naked_asm!(
                super::isa!(),
                enter!(),
                "2:",
                "ldm sp, {{r0, r3, lr}}",
                concat!("ldrd ", $biases, ", [r0, #24]"),
                $($copy,)*
                "ldr pc, [sp, #16]",
                "40:",
                $($step,)*
                "41:",
                $($step,)*
                $($step,)*
                $($step,)*
                "subs lr, #1",
                "bne 40b",
                "ldr r0, [sp]",
                "ldr pc, [sp, #20]",
                "5:",
                "ldm r0!, {{r1, r2, r3}}",
                $(requantize!(single $first),)*
                // The biases too, to step over them.
                "ldm r0!, {{r1, r2, r3, r10, r11}}",
                $(requantize!(single $second),)*
                "b 6f",
                "4:",
                "ldm r0!, {{r1, r2, r3}}",
                $(requantize!(tflite $first),)*
                "ldm r0!, {{r1, r2, r3, r10, r11}}",
                $(requantize!(tflite $second),)*
                "6:",
                "ldrd r3, r1, [sp, #24]",
                "ldr r2, [sp, #32]",
                "str r0, [sp]",
                "subs r3, #2",
                "blo 7f",
                $($merge,)*
                $($half,)*
                "strd r3, r1, [sp, #24]",
                "bne 2b",
                "add sp, #36",
                "pop {{r4-r11, pc}}",
                // The last of an odd number of channels.
                "7:",
                $($byte,)*
                "add sp, #36",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}

tile! {
    /// Three pixels: 17 instructions for 24 MACs, and 2 in four steps.
    three:
    step [
        "ldrd r10, r11, [r12], #8" "ldm r3!, {{r0, r1, r2}}"
        "smlad r4, r10, r0, r4" "smlad r5, r10, r1, r5" "smlad r6, r10, r2, r6"
        "smlad r7, r11, r0, r7" "smlad r8, r11, r1, r8" "smlad r9, r11, r2, r9"
        "sxtb16 r10, r10" "sxtb16 r11, r11" "ldm r3!, {{r0, r1, r2}}"
        "smlad r4, r10, r0, r4" "smlad r5, r10, r1, r5" "smlad r6, r10, r2, r6"
        "smlad r7, r11, r0, r7" "smlad r8, r11, r1, r8" "smlad r9, r11, r2, r9"
    ]
    copy ["mov r5, r4" "mov r6, r4" "mov r8, r7" "mov r9, r7"]
    biases "r4, r7" first ["r4" "r5" "r6"] second ["r7" "r8" "r9"]
    merge ["bfi r4, r7, #8, #8" "bfi r5, r8, #8, #8" "bfi r6, r9, #8, #8"]
    halves ["strh r5, [r1, r2]" "strh r6, [r1, r2, lsl #1]" "strh r4, [r1], #2"]
    bytes ["strb r4, [r1]" "strb r5, [r1, r2]" "strb r6, [r1, r2, lsl #1]"]
}

tile! {
    /// Two pixels: 13 instructions for 16 MACs, and 2 in four steps.
    two:
    step [
        "ldrd r10, r11, [r12], #8" "ldm r3!, {{r0, r1}}"
        "smlad r4, r10, r0, r4" "smlad r5, r10, r1, r5" "smlad r7, r11, r0, r7" "smlad r8, r11, r1, r8"
        "sxtb16 r10, r10" "sxtb16 r11, r11" "ldm r3!, {{r0, r1}}"
        "smlad r4, r10, r0, r4" "smlad r5, r10, r1, r5" "smlad r7, r11, r0, r7" "smlad r8, r11, r1, r8"
    ]
    copy ["mov r5, r4" "mov r8, r7"]
    biases "r4, r7" first ["r4" "r5"] second ["r7" "r8"]
    merge ["bfi r4, r7, #8, #8" "bfi r5, r8, #8, #8"]
    halves ["strh r5, [r1, r2]" "strh r4, [r1], #2"]
    bytes ["strb r4, [r1]" "strb r5, [r1, r2]"]
}

/// Five pixels, one channel a round: 14 instructions for 20 MACs, and 2 in eight steps. All first channels of the pairs that lie
/// together come before all second ones, so that no pointer goes back.
///
/// Registers: r0-r4 patch, r5-r9 accumulators, r10 weights, r11 patch pointer, r12 weight pointer, kept throughout, lr passes
/// left. Stack: distance from a channel's mantissa to its bias, a copy of `Tile` with addresses for `skip` and `tflite` and
/// passes of eight steps for `blocks`, the address of the `Tile`.
///
/// # Safety
/// As of the other tiles.
#[unsafe(naked)]
pub unsafe extern "C" fn five(tile: *const Tile) {
    macro_rules! step {
        () => {
            concat!(
                "ldr r10, [r12], #8\nldm r11!, {{r0-r4}}\n",
                "smlad r5, r10, r0, r5\nsmlad r6, r10, r1, r6\nsmlad r7, r10, r2, r7\n",
                "smlad r8, r10, r3, r8\nsmlad r9, r10, r4, r9\n",
                "sxtb16 r10, r10\nldm r11!, {{r0-r4}}\n",
                "smlad r5, r10, r0, r5\nsmlad r6, r10, r1, r6\nsmlad r7, r10, r2, r7\n",
                "smlad r8, r10, r3, r8\nsmlad r9, r10, r4, r9\n",
            )
        };
    }
    naked_asm!(
        super::isa!(),
        "push {{r4-r11, lr}}",
        "mov r10, r0",
        "ldm r0, {{r1-r9}}",
        "lsl r11, r3, #2",
        "sub r11, r5",
        "rsb r5, r11, #0",
        "and r5, #7",
        "add r11, #7",
        "lsr r3, r11, #3",
        "adr r11, 3f",
        "ldrh r11, [r11]",
        "adr r12, 40f + 1",
        "mla r5, r5, r11, r12",
        "cmp r6, #0",
        "ite eq",
        "adreq r6, 5f + 1",
        "adrne r6, 4f + 1",
        "mov r12, r4",
        "movs r0, #24",
        "push {{r0-r10}}",
        "b 2f",
        ".p2align 1",
        "3:",
        ".hword 41f - 40f",
        "2:",
        "ldm sp, {{r5, r6, r11, lr}}",
        "ldr r5, [r6, r5]",
        "mov r6, r5",
        "mov r7, r5",
        "mov r8, r5",
        "mov r9, r5",
        "ldr pc, [sp, #20]",
        "40:",
        step!(),
        "41:",
        step!(),
        step!(),
        step!(),
        step!(),
        step!(),
        step!(),
        step!(),
        "subs lr, #1",
        "bne 40b",
        "ldr r0, [sp, #4]",
        "ldm r0, {{r1, r2, r3}}",
        "adds r0, #32",
        "str r0, [sp, #4]",
        "ldr pc, [sp, #24]",
        "5:",
        requantize!(single "r5"),
        requantize!(single "r6"),
        requantize!(single "r7"),
        requantize!(single "r8"),
        requantize!(single "r9"),
        "b 6f",
        "4:",
        requantize!(tflite "r5"),
        requantize!(tflite "r6"),
        requantize!(tflite "r7"),
        requantize!(tflite "r8"),
        requantize!(tflite "r9"),
        "6:",
        "ldrd r3, r1, [sp, #28]",
        "ldr r2, [sp, #36]",
        "add r4, r1, r2, lsl #1",
        "strb r7, [r4]",
        "strb r8, [r4, r2]",
        "strb r9, [r4, r2, lsl #1]",
        "strb r6, [r1, r2]",
        "strb r5, [r1], #2",
        "subs r3, #2",
        "strd r3, r1, [sp, #28]",
        "bgt 2b",
        // The second channels, if these were the first.
        "ldr r0, [sp]",
        "cmp r0, #16",
        "beq 7f",
        "movs r0, #16",
        "ldr r1, [sp, #40]",
        "ldr r2, [r1]",
        "adds r2, #12",
        "strd r0, r2, [sp]",
        "ldr r12, [sp, #16]",
        "add r12, #4",
        "ldrd r2, r3, [r1, #24]",
        "adds r3, #1",
        "subs r2, #1",
        "strd r2, r3, [sp, #28]",
        "bne 2b",
        "7:",
        "add sp, #44",
        "pop {{r4-r11, pc}}",
    )
}

/// One pixel, four channels a round, for weights in fours: 14 instructions for 16 MACs, and 2 in four steps.
///
/// Registers: r0 r1 patch, r3 patch pointer, r4-r7 accumulators, r8-r11 weights, r12 weight pointer, lr passes left.
///
/// # Safety
/// As of the other tiles.
#[unsafe(naked)]
pub unsafe extern "C" fn one_by_four(tile: *const Tile) {
    macro_rules! step {
        () => {
            concat!(
                "ldm r12!, {{r8-r11}}\nldm r3!, {{r0, r1}}\n",
                "smlad r4, r8, r0, r4\nsmlad r5, r9, r0, r5\nsmlad r6, r10, r0, r6\nsmlad r7, r11, r0, r7\n",
                "sxtb16 r8, r8\nsxtb16 r9, r9\nsxtb16 r10, r10\nsxtb16 r11, r11\n",
                "smlad r4, r8, r1, r4\nsmlad r5, r9, r1, r5\nsmlad r6, r10, r1, r6\nsmlad r7, r11, r1, r7\n"
            )
        };
    }
    naked_asm!(
        super::isa!(),
        enter!(),
        "2:",
        "ldm sp, {{r0, r3, lr}}",
        "add r0, #48",
        "ldm r0, {{r4-r7}}",
        "ldr pc, [sp, #16]",
        "40:",
        step!(),
        "41:",
        step!(),
        step!(),
        step!(),
        "subs lr, #1",
        "bne 40b",
        "ldr r0, [sp]",
        "ldr pc, [sp, #20]",
        "4:",
        "ldm r0!, {{r1, r2, r3}}",
        requantize!(tflite "r4"),
        "ldm r0!, {{r1, r2, r3}}",
        requantize!(tflite "r5"),
        "ldm r0!, {{r1, r2, r3}}",
        requantize!(tflite "r6"),
        "ldm r0!, {{r1, r2, r3}}",
        requantize!(tflite "r7"),
        "b 6f",
        "5:",
        "ldm r0!, {{r1, r2, r3}}",
        requantize!(single "r4"),
        "ldm r0!, {{r1, r2, r3}}",
        requantize!(single "r5"),
        "ldm r0!, {{r1, r2, r3}}",
        requantize!(single "r6"),
        "ldm r0!, {{r1, r2, r3}}",
        requantize!(single "r7"),
        "6:",
        "adds r0, #16",
        "ldrd r2, r1, [sp, #24]",
        "bfi r4, r5, #8, #8",
        "bfi r6, r7, #8, #8",
        "pkhbt r4, r4, r6, lsl #16",
        "subs r2, #4",
        "blo 7f",
        "str r4, [r1], #4",
        "str r0, [sp]",
        "strd r2, r1, [sp, #24]",
        "bne 2b",
        "add sp, #36",
        "pop {{r4-r11, pc}}",
        // One to three channels are left.
        "7:",
        "adds r2, #4",
        "8:",
        "strb r4, [r1], #1",
        "lsr r4, r4, #8",
        "subs r2, #1",
        "bne 8b",
        "add sp, #36",
        "pop {{r4-r11, pc}}",
    )
}
