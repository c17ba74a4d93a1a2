//! RAM that every reset keeps but the one of power coming on.

use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering};

/// Bytes for the firmware.
pub const BYTES: usize = 64;

#[repr(C)]
struct Words {
    magic: u32,
    bytes: [u8; BYTES],
}

/// Says that the words were written by a firmware, not by power coming on: one in 2^32 is wrong.
const MAGIC: u32 = 0x7a3b_07ae;

#[unsafe(link_section = ".uninit.tanbo_retained")]
static mut WORDS: MaybeUninit<Words> = MaybeUninit::uninit();
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Returns the memory, zero after `power_on` or where it was never written; `None` if it was taken before.
pub fn take(power_on: bool) -> Option<&'static mut [u8; BYTES]> {
    if TAKEN.load(Ordering::Acquire) {
        return None;
    }
    TAKEN.store(true, Ordering::Release);
    let words = &raw mut WORDS;
    // SAFETY: the pointer is to a static that nothing else names, and `take` goes on once. A volatile read takes whatever RAM holds
    // for an integer; everything else is written before a reference to it is made.
    unsafe {
        let words = words.cast::<Words>();
        if power_on || (&raw const (*words).magic).read_volatile() != MAGIC {
            words.write(Words { magic: MAGIC, bytes: [0; BYTES] });
        }
        Some(&mut (*words).bytes)
    }
}
