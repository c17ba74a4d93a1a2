//! ARMv7 with NEON under Linux: Cortex-A7, A9, A15. Intrinsics are not stable there: assembly throughout.

#[cfg(all(target_arch = "arm", target_os = "linux", feature = "std"))]
mod conv2d;
#[cfg(all(target_arch = "arm", target_os = "linux", feature = "std"))]
pub(super) mod copy;
#[cfg(all(target_arch = "arm", target_os = "linux", feature = "std"))]
mod depthwise_conv2d;
#[cfg(all(target_arch = "arm", target_os = "linux", feature = "std"))]
mod detect;
#[cfg(all(target_arch = "arm", target_os = "linux", feature = "std"))]
mod finish;
#[cfg(feature = "pack")]
pub(super) mod pack;
mod table;

pub use table::Armv7;
