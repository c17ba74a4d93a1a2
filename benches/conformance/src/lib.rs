#![doc = include_str!("../README.md")]
//!
//! # Layer
//!
//! Layer 3. Knows the engine and the kernel tables; knows no operator.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(not(target_os = "none"))]
extern crate std;

#[cfg(all(feature = "host", not(target_os = "none")))]
pub mod differential;
#[cfg(all(feature = "host", not(target_os = "none")))]
mod draw;
#[cfg(all(feature = "host", not(target_os = "none")))]
pub mod generated;
pub mod pack;
#[cfg(not(target_os = "none"))]
pub mod pack_writer;
#[cfg(all(feature = "host", not(target_os = "none")))]
pub mod runners;
pub mod suite;
#[cfg(all(feature = "host", not(target_os = "none")))]
mod values;

use tanbo::{Family, OpSet};

/// Returns every kernel table that this target can run, the reference first and the best last.
pub fn tables() -> impl Iterator<Item = &'static OpSet> {
    tanbo::families().filter_map(tanbo::table)
}

/// Returns the family called `name`, if this target has kernels for it.
pub fn family(name: &str) -> Option<Family> {
    tanbo::families().find(|family| family.name() == name)
}

/// Bytes at a boundary that suits a pack.
#[repr(C, align(16))]
struct Aligned<T: ?Sized>(T);

static SMALL_PACK: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/small.bin")));

/// The cases for the smallest machine (256 KB of flash, 16 KB of RAM): a part of [`FULL`].
pub static SMALL: &[u8] = &SMALL_PACK.0;

#[cfg(not(target_os = "none"))]
static FULL_PACK: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/full.bin")));

/// All cases. More than some machines have flash: a bare-metal image reads them from a file of the host.
#[cfg(not(target_os = "none"))]
pub static FULL: &[u8] = &FULL_PACK.0;
