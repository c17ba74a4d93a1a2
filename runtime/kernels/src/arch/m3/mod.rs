//! Cortex-M3: pixel pairs with `MLA`, see [`crate::arch`].

#[cfg(tanbo_profile = "v7m")]
mod kernels;
#[cfg(feature = "pack")]
mod pack;

#[cfg(feature = "pack")]
pub use pack::pack;

/// Kernels for Cortex-M3.
#[derive(Clone, Copy, Debug)]
pub struct M3;

#[cfg(not(tanbo_profile = "v7m"))]
impl crate::Kernels for M3 {
    const NAME: &'static str = "m3";
    const COMPILED: bool = false;
}
