//! Copies of short runs of bytes, as patches are made of.

/// Copies `count` runs of `bytes` bytes.
///
/// # Safety
/// So many bytes may be read and written at every step.
#[inline]
pub unsafe fn runs(from: (*const i8, usize), to: (*mut i8, usize), count: usize, bytes: usize) {
    let (mut source, mut place) = (from.0, to.0);
    for _ in 0..count {
        // SAFETY: the caller's.
        unsafe { place.copy_from(source, bytes) };
        source = source.wrapping_add(from.1);
        place = place.wrapping_add(to.1);
    }
}
