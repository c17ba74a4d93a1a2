//! Helium (MVE): Cortex-M55 and M85.

#[cfg(tanbo_profile = "v8m.main")]
mod conv;
#[cfg(tanbo_profile = "v8m.main")]
mod depthwise;
#[cfg(tanbo_profile = "v8m.main")]
mod elementwise;
#[cfg(tanbo_profile = "v8m.main")]
mod gemm;
#[cfg(feature = "pack")]
pub mod pack;
#[cfg(tanbo_profile = "v8m.main")]
mod pool;
#[cfg(tanbo_profile = "v8m.main")]
mod scaled;
#[cfg(tanbo_profile = "v8m.main")]
mod table;

#[cfg(not(tanbo_profile = "v8m.main"))]
mod table {
    use crate::Kernels;

    impl Kernels for super::Mve {
        const NAME: &'static str = "mve";
        const COMPILED: bool = false;
    }
}

/// The kernels for Helium.
#[derive(Clone, Copy, Debug)]
pub struct Mve;
