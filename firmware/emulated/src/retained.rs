//! RAM that a reset keeps, and why the last reset happened.
//!
//! QEMU resets a machine without clearing its RAM, and loads into it only what the image holds: `.uninit` stays.

use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering};

/// Bytes for the firmware.
pub const BYTES: usize = 64;
/// Bytes for models, in place of flash.
pub const SLOT_BYTES: usize = 64 << 10;
/// Slots for models.
pub const SLOTS: usize = 2;

/// Why the machine started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The emulator was started.
    PowerOn,
    /// The firmware asked for it.
    Software,
    /// The watchdog.
    Watchdog,
    /// Somebody else: the emulator's own reset.
    Unknown,
}

/// What a reset keeps.
#[derive(Debug)]
pub struct Retained {
    /// For the firmware; zero after power has come on.
    pub bytes: &'static mut [u8; BYTES],
    /// Which model slot is selected, in the board's code; all ones after power has come on.
    pub selected: &'static mut u32,
    /// Model slots, erased after power has come on.
    pub slots: &'static mut [Slot; SLOTS],
}

/// A place for a model.
#[derive(Debug)]
#[repr(C, align(16))]
pub struct Slot(pub [u8; SLOT_BYTES]);

const MAGIC: u32 = 0x7a3b_07ae;
const SOFTWARE: u32 = 0x50f7;
const WATCHDOG: u32 = 0xd06;

#[unsafe(link_section = ".uninit.tanbo_cause")]
static mut CAUSE: MaybeUninit<u32> = MaybeUninit::uninit();
#[unsafe(link_section = ".uninit.tanbo_words")]
static mut WORDS: MaybeUninit<Words> = MaybeUninit::uninit();
#[unsafe(link_section = ".uninit.tanbo_slots")]
static mut MODELS: MaybeUninit<[Slot; SLOTS]> = MaybeUninit::uninit();

#[repr(C)]
struct Words {
    magic: u32,
    selected: u32,
    bytes: [u8; BYTES],
}

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Returns what a reset keeps, and why the last one happened; `None` if it was taken before.
pub fn take() -> Option<(Retained, Cause)> {
    if TAKEN.load(Ordering::Acquire) {
        return None;
    }
    TAKEN.store(true, Ordering::Release);
    // SAFETY: every bit pattern is a value of these types, which are plain integers, and RAM of this machine holds one from the
    // start (QEMU: zeros), so that nothing is read that was never written. `take` hands them out once.
    let (words, slots) =
        unsafe { (&mut *(&raw mut WORDS).cast::<Words>(), &mut *(&raw mut MODELS).cast::<[Slot; SLOTS]>()) };
    let cause = match (words.magic, next_cause(0)) {
        (MAGIC, SOFTWARE) => Cause::Software,
        (MAGIC, WATCHDOG) => Cause::Watchdog,
        (MAGIC, _) => Cause::Unknown,
        _ => {
            *words = Words { magic: MAGIC, selected: u32::MAX, bytes: [0; BYTES] };
            for slot in slots.iter_mut() {
                slot.0.fill(0xff);
            }
            Cause::PowerOn
        }
    };
    Some((Retained { bytes: &mut words.bytes, selected: &mut words.selected, slots }, cause))
}

/// Sets what the next start finds as its cause; returns what was set before.
fn next_cause(cause: u32) -> u32 {
    let word = (&raw mut CAUSE).cast::<u32>();
    // SAFETY: a word of RAM that only this function touches, and no reference to it exists.
    unsafe {
        let before = word.read_volatile();
        word.write_volatile(cause);
        before
    }
}

/// Resets the machine; the cause will be [`Cause::Software`].
pub fn reset() -> ! {
    next_cause(SOFTWARE);
    crate::cmsdk::reset()
}

/// Takes note that the watchdog runs: a reset that the firmware does not ask for is its doing. The machine has no register that
/// says so.
pub fn watched() {
    next_cause(WATCHDOG);
}
