//! Cortex-M4, M7 and M33: kernels for the DSP extension, in assembly.
//!
//! Rust here only finds rows and pixels; every loop over channels or taps is a naked function, which states its register plan
//! and its instructions per MAC. `SMLAD` does two MACs; what is left is to bring it operands cheaply, see [`tile`].

#[cfg(any(tanbo_profile = "v7em", tanbo_profile = "v8m.main"))]
mod kernels;
#[cfg(feature = "pack")]
mod pack;

#[cfg(feature = "pack")]
pub use pack::{pack, winograd};

/// Kernels for Cortex-M with the DSP extension.
#[derive(Clone, Copy, Debug)]
pub struct Dsp;

#[cfg(not(any(tanbo_profile = "v7em", tanbo_profile = "v8m.main")))]
impl crate::Kernels for Dsp {
    const NAME: &'static str = "dsp";
    const COMPILED: bool = false;
}
