//! AArch64 with the dot product (FEAT_DotProd): Cortex-A55, A76 and later.

#[cfg(target_arch = "aarch64")]
mod columns_3x3;
#[cfg(target_arch = "aarch64")]
mod conv2d;
#[cfg(target_arch = "aarch64")]
mod depthwise_conv2d;
#[cfg(feature = "pack")]
pub(super) mod pack;
mod table;

pub use table::Dotprod;

/// Returns whether this CPU has the dot product: a flag that is found out once.
#[cfg(all(target_arch = "aarch64", feature = "std"))]
fn is_available() -> bool {
    std::arch::is_aarch64_feature_detected!("dotprod")
}

/// Returns whether every CPU of the target has the dot product.
#[cfg(all(target_arch = "aarch64", not(feature = "std")))]
fn is_available() -> bool {
    cfg!(target_feature = "dotprod")
}
