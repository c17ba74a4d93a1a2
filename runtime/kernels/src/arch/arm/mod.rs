//! What the three NEON families share: scaling as lanes do it, packing, and how images become runs of pixels.

#[cfg(any(target_arch = "aarch64", all(target_arch = "arm", target_os = "linux", feature = "std")))]
pub(super) mod image;
#[cfg(feature = "pack")]
pub(super) mod pack;
#[cfg(any(feature = "pack", target_arch = "aarch64", all(target_arch = "arm", target_os = "linux", feature = "std")))]
pub(super) mod scaling;
