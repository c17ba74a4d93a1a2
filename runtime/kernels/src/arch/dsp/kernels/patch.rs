//! Gathers the activations under a tile's kernel and brings them into the form that the tile's loop reads.

use core::arch::naked_asm;

// Registers: r0 patch, r1 sources of the next run, r2 runs left, r3 words of a run, r4-r6 sources, r7-r9 P, r10-r12 X,
// lr words left. The low byte of `127 - a1 + 256·a0` is `a1 ^ 0x7f`: no arithmetic is needed.
macro_rules! prepare {
    ($(#[$doc:meta])* $name:ident: sources $sources:literal load [$($load:literal)*] swap [$($swap:literal)*] store $store:literal) => {
        $(#[$doc])*
        ///
        /// `sources` holds, for each run, one pointer per pixel to `words` words. The patch gets, for each word, P of all
        /// pixels, then X of all pixels.
        ///
        /// # Safety
        /// The sources must be valid for reading `runs · words` words in all, the patch for writing two words for each of
        /// them; sources and patch must be aligned to 4 bytes, what the sources point to need not be. Neither count is 0.
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name(patch: *mut u32, sources: *const *const i8, runs: usize, words: usize) {
            naked_asm!(
                super::isa!(),
                "push {{r4-r11, lr}}",
                "2:",
                concat!("ldm r1!, {{", $sources, "}}"),
                "mov lr, r3",
                "3:",
                $($load,)*
                $($swap,)*
                concat!("stm r0!, {{", $store, "}}"),
                "subs lr, #1",
                "bne 3b",
                "subs r2, #1",
                "bne 2b",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}

prepare! {
    /// Prepares three pixels: 13 instructions for 12 values.
    three:
    sources "r4, r5, r6"
    load ["ldr r7, [r4], #4" "ldr r8, [r5], #4" "ldr r9, [r6], #4"]
    swap [
        "rev16 r10, r7" "eor r10, r10, #0x007f007f" "sxtb16 r7, r7, ror #8"
        "rev16 r11, r8" "eor r11, r11, #0x007f007f" "sxtb16 r8, r8, ror #8"
        "rev16 r12, r9" "eor r12, r12, #0x007f007f" "sxtb16 r9, r9, ror #8"
    ]
    store "r7-r12"
}

/// Prepares five pixels: 29 instructions for 20 values.
///
/// Registers: r0 patch, r1 sources of the next run, r2 runs left, r3 words of a run, r4-r8 sources, r9 r10 P, r11 r12 X, lr words
/// left.
///
/// # Safety
/// As of the others.
#[unsafe(naked)]
pub unsafe extern "C" fn five(patch: *mut u32, sources: *const *const i8, runs: usize, words: usize) {
    macro_rules! pair {
        ($first:literal $second:literal $p:literal $x:literal) => {
            concat!(
                "ldr r9, [",
                $first,
                "], #4\nldr r10, [",
                $second,
                "], #4\n",
                "rev16 r11, r9\neor r11, r11, #0x007f007f\nsxtb16 r9, r9, ror #8\n",
                "rev16 r12, r10\neor r12, r12, #0x007f007f\nsxtb16 r10, r10, ror #8\n",
                "strd r9, r10, [r0, #",
                $p,
                "]\nstrd r11, r12, [r0, #",
                $x,
                "]\n",
            )
        };
    }
    naked_asm!(
        super::isa!(),
        "push {{r4-r11, lr}}",
        "2:",
        "ldm r1!, {{r4-r8}}",
        "mov lr, r3",
        "3:",
        pair!("r4" "r5" "0" "20"),
        pair!("r6" "r7" "8" "28"),
        "ldr r9, [r8], #4",
        "rev16 r11, r9",
        "eor r11, r11, #0x007f007f",
        "sxtb16 r9, r9, ror #8",
        "str r9, [r0, #16]",
        "str r11, [r0, #36]",
        "adds r0, #40",
        "subs lr, #1",
        "bne 3b",
        "subs r2, #1",
        "bne 2b",
        "pop {{r4-r11, pc}}",
    )
}

prepare! {
    /// Prepares two pixels: 9 instructions for 8 values.
    two:
    sources "r4, r5"
    load ["ldr r7, [r4], #4" "ldr r8, [r5], #4"]
    swap [
        "rev16 r10, r7" "eor r10, r10, #0x007f007f" "sxtb16 r7, r7, ror #8"
        "rev16 r11, r8" "eor r11, r11, #0x007f007f" "sxtb16 r8, r8, ror #8"
    ]
    store "r7, r8, r10, r11"
}

prepare! {
    /// Prepares one pixel: 5 instructions for 4 values.
    one:
    sources "r4"
    load ["ldr r7, [r4], #4"]
    swap ["rev16 r10, r7" "eor r10, r10, #0x007f007f" "sxtb16 r7, r7, ror #8"]
    store "r7, r10"
}
