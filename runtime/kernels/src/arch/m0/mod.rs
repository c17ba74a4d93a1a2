//! Cortex-M0 and M0+: pixel pairs, see [`crate::arch`].

#[cfg(tanbo_profile = "v6m")]
mod kernels;
#[cfg(feature = "pack")]
mod pack;

#[cfg(feature = "pack")]
pub use pack::pack;

/// Kernels for Cortex-M0 and M0+.
#[derive(Clone, Copy, Debug)]
pub struct M0;

#[cfg(not(tanbo_profile = "v6m"))]
impl crate::Kernels for M0 {
    const NAME: &'static str = "m0";
    const COMPILED: bool = false;
}
