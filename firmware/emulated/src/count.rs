//! Markers between which the host counts executed instructions.
//!
//! The counting plugin (`plugin/count.c`) knows the two functions by their addresses. A pair's count runs from the first
//! instruction of [`tanbo_count_begin`] to the one before [`tanbo_count_end`]: beside the counted call that is the
//! return of the first marker and the two call instructions.

use core::arch::asm;

/// Start of a counted stretch.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn tanbo_count_begin() {
    // SAFETY: no instruction; the comment keeps this body unlike the other marker's, so that neither is folded into the
    // other, and the implied memory clobber keeps loads and stores on their side.
    unsafe { asm!("/* count begin */", options(nostack, preserves_flags)) }
}

/// End of a counted stretch.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn tanbo_count_end() {
    // SAFETY: as above.
    unsafe { asm!("/* count end */", options(nostack, preserves_flags)) }
}

/// Result of `f`, with its instructions counted if a plugin is listening.
#[inline]
pub fn counted<R>(f: impl FnOnce() -> R) -> R {
    tanbo_count_begin();
    let result = f();
    tanbo_count_end();
    result
}

/// Start of a stretch that a profile leaves out (`host::Runner::profile`).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn tanbo_profile_enter() {
    // SAFETY: as above.
    unsafe { asm!("/* profile enter */", options(nostack, preserves_flags)) }
}

/// End of a stretch that a profile leaves out.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn tanbo_profile_leave() {
    // SAFETY: an instruction without effect, which keeps a linker that folds equal code from making one of both markers.
    unsafe { asm!("nop", options(nostack, preserves_flags)) }
}

/// Result of `f`, whose instructions a profile leaves out.
#[inline]
pub fn left_out<R>(f: impl FnOnce() -> R) -> R {
    tanbo_profile_enter();
    let result = f();
    tanbo_profile_leave();
    result
}
