//! Whether the CPU has NEON: the kernel's word, asked once.

use core::sync::atomic::{AtomicU8, Ordering};

/// `AT_HWCAP` and its bit for NEON (linux/auxvec.h, asm/hwcap.h of arm).
const HWCAP: u32 = 16;
const HWCAP_NEON: u32 = 1 << 12;

unsafe extern "C" {
    /// getauxval(3); `unsigned long` has 32 bits here.
    safe fn getauxval(kind: u32) -> u32;
}

/// Returns whether the CPU has NEON.
pub fn is_available() -> bool {
    /// 0 before the question, then 1 for no, 2 for yes.
    static ANSWER: AtomicU8 = AtomicU8::new(0);
    match ANSWER.load(Ordering::Relaxed) {
        0 => {
            let has = getauxval(HWCAP) & HWCAP_NEON != 0;
            ANSWER.store(1 + u8::from(has), Ordering::Relaxed);
            has
        }
        answer => answer == 2,
    }
}
