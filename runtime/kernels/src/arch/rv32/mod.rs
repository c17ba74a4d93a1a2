//! RISC-V without SIMD: pixel pairs, see [`crate::arch`].

#[cfg(target_arch = "riscv32")]
mod kernels;
#[cfg(feature = "pack")]
mod pack;

#[cfg(feature = "pack")]
pub use pack::pack;

/// Kernels for RV32IM.
#[derive(Clone, Copy, Debug)]
pub struct Rv32;

#[cfg(not(target_arch = "riscv32"))]
impl crate::Kernels for Rv32 {
    const NAME: &'static str = "rv32";
    const COMPILED: bool = false;
}
