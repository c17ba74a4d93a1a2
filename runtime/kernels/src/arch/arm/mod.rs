//! What the three NEON families share: scaling as lanes do it, packing, and how images become runs of pixels.

#[cfg(target_arch = "aarch64")]
pub(super) mod image;
#[cfg(feature = "pack")]
pub(super) mod pack;
#[cfg(any(feature = "pack", target_arch = "aarch64"))]
pub(super) mod scaling;
