//! The RAM that nothing else uses, as one slice.

use core::sync::atomic::{AtomicBool, Ordering};

/// Alignment of the slice that [`take`] returns, bytes: what an artifact asks of its own bytes.
pub const ALIGN: usize = 16;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// All free RAM, aligned to [`ALIGN`]; `None` if it was taken before.
///
/// On a bare machine: from the end of `.uninit` to the stack's reserve, uninitialised at reset and zeroed here.
/// Elsewhere: 64 MiB, which the operating system provides as they are touched.
pub fn take() -> Option<&'static mut [u8]> {
    // Load and store, not swap: armv6-m and rv32imc have no atomic read-modify-write, and these cores have one thread.
    // Where there are threads two racing calls could both pass; there the memory is fresh at every call.
    if TAKEN.load(Ordering::Acquire) {
        return None;
    }
    TAKEN.store(true, Ordering::Release);
    Some(imp::ram())
}

#[cfg(target_os = "none")]
mod imp {
    use super::ALIGN;
    use core::{ptr, slice};

    unsafe extern "C" {
        // End of .uninit, from the link script of cortex-m-rt or riscv-rt.
        static mut __sheap: u8;
    }

    pub fn ram() -> &'static mut [u8] {
        let start = (&raw mut __sheap as usize).next_multiple_of(ALIGN);
        let end = crate::stack::limit() & !(ALIGN - 1);
        let bytes = end.saturating_sub(start);
        let start = ptr::with_exposed_provenance_mut::<u8>(start);
        // SAFETY: the linker places nothing between __sheap and the stack's reserve, `take` hands it out once, and the
        // bytes are initialised here before the slice is made.
        unsafe {
            ptr::write_bytes(start, 0, bytes);
            slice::from_raw_parts_mut(start, bytes)
        }
    }
}

#[cfg(not(target_os = "none"))]
mod imp {
    use super::ALIGN;
    use std::vec;

    const BYTES: usize = 64 << 20;

    pub fn ram() -> &'static mut [u8] {
        // Fresh memory at every call, hence sound whatever the flag says.
        let bytes: &'static mut [u8] = vec![0u8; BYTES + ALIGN].leak();
        let skip = bytes.as_ptr().align_offset(ALIGN);
        bytes.get_mut(skip..).unwrap_or_default()
    }
}
