//! Memory with the alignment that artifacts and engines ask for.

/// A value at a 16-byte boundary.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub struct Aligned<T: ?Sized>(pub T);

/// The one buffer of an engine: `N` bytes at a 16-byte boundary.
#[derive(Clone, Debug)]
pub struct Arena<const N: usize>(Aligned<[u8; N]>);

impl<const N: usize> Arena<N> {
    /// Returns a zeroed arena; `const`, so that it can be a `static`.
    pub const fn new() -> Self {
        Self(Aligned([0; N]))
    }
}

impl<const N: usize> Default for Arena<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> AsMut<[u8]> for Arena<N> {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0.0
    }
}
