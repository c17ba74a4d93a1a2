//! x86-64 with AVX-512 VNNI: `VPDPBUSD` adds four products of uint8 and int8 to an int32, exactly. Activations are copied
//! with 128 added; the bias takes `128 + zero point` times the sum of the weights back.

#[cfg(all(target_arch = "x86_64", feature = "std"))]
mod registers;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
mod sum;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
mod table;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
mod winograd;

/// Kernels for CPUs with AVX-512 F, BW, VL and VNNI.
#[derive(Clone, Copy, Debug)]
pub struct Vnni;

#[cfg(not(all(target_arch = "x86_64", feature = "std")))]
impl crate::Kernels for Vnni {
    const NAME: &'static str = "vnni";
    const COMPILED: bool = false;
}
