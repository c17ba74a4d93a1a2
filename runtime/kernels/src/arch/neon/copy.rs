//! Copies of short runs of bytes, as patches are made of.

use core::arch::asm;

/// Copies `count` (at least 1) runs of `bytes` bytes, rounded up to a multiple of 16: 3 instructions for up to 64 bytes.
///
/// # Safety
/// So many bytes may be read and written at every step.
#[inline(always)]
pub unsafe fn runs(from: (*const i8, usize), to: (*mut i8, usize), count: usize, bytes: usize) {
    let mut at = 0;
    while at < bytes {
        let (source, place) = (from.0.wrapping_add(at), to.0.wrapping_add(at));
        // SAFETY: the caller's; pieces end at the next multiple of 16 behind `bytes`.
        unsafe {
            match bytes - at {
                ..17 => pieces_16((source, from.1), (place, to.1), count),
                17..33 => pieces_32((source, from.1), (place, to.1), count),
                33..49 => pieces_48((source, from.1), (place, to.1), count),
                _ => pieces_64((source, from.1), (place, to.1), count),
            }
        }
        at += 64;
    }
}

/// Two pieces a turn, each read and written by one instruction that also moves the pointer.
macro_rules! pieces {
    ($name:ident, $bytes:literal, $first:literal, $second:literal, [$($register:tt),*]) => {
        #[doc = concat!("Copies `count` (at least 1) pieces of ", $bytes, " bytes.")]
        ///
        /// # Safety
        /// So many bytes may be read and written at every step.
        #[inline(always)]
        unsafe fn $name(from: (*const i8, usize), to: (*mut i8, usize), count: usize) {
            // SAFETY: the caller's; every register that is written is declared.
            unsafe {
                asm!(
                    "tbz {n}, #0, 2f",
                    concat!("ld1 {{", $first, "}}, [{from}], {step}"),
                    concat!("st1 {{", $first, "}}, [{to}], {place}"),
                    "subs {n}, {n}, #1",
                    "b.eq 3f",
                    "2:",
                    concat!("ld1 {{", $first, "}}, [{from}], {step}"),
                    concat!("ld1 {{", $second, "}}, [{from}], {step}"),
                    "subs {n}, {n}, #2",
                    concat!("st1 {{", $first, "}}, [{to}], {place}"),
                    concat!("st1 {{", $second, "}}, [{to}], {place}"),
                    "b.ne 2b",
                    "3:",
                    n = inout(reg) count => _,
                    from = inout(reg) from.0 => _, step = in(reg) from.1,
                    to = inout(reg) to.0 => _, place = in(reg) to.1,
                    $(out($register) _,)*
                    options(nostack),
                )
            }
        }
    };
}

pieces!(pieces_16, "16", "v0.16b", "v4.16b", ["v0", "v4"]);
pieces!(pieces_32, "32", "v0.16b, v1.16b", "v4.16b, v5.16b", ["v0", "v1", "v4", "v5"]);
pieces!(pieces_48, "48", "v0.16b, v1.16b, v2.16b", "v4.16b, v5.16b, v6.16b", ["v0", "v1", "v2", "v4", "v5", "v6"]);
pieces!(
    pieces_64,
    "64",
    "v0.16b, v1.16b, v2.16b, v3.16b",
    "v4.16b, v5.16b, v6.16b, v7.16b",
    ["v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7"]
);
