//! x86-64 with AVX2: `VPMADDWD` adds the products of two pairs of int16, exactly. Activations are copied as int16 less their
//! zero point, weights are packed as int16.

#[cfg(all(target_arch = "x86_64", feature = "std"))]
mod registers;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
mod table;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
mod winograd;

/// Kernels for CPUs with AVX2.
#[derive(Clone, Copy, Debug)]
pub struct Avx2;

#[cfg(not(all(target_arch = "x86_64", feature = "std")))]
impl crate::Kernels for Avx2 {
    const NAME: &'static str = "avx2";
    const COMPILED: bool = false;
}
