//! What the two families of x86-64 share: how a step is cut into blocks of registers.
//!
//! Requantization of an accumulator `a` with mantissa `m` and right shift `s` (FORMAT.md), in three forms; `hi` is the upper
//! half of a 64-bit product, so that one 32-bit arithmetic shift ends each of them:
//!
//! - [`HIGH`] (single rounding, `s >= 2`): `(hi(a·m) + 2^(s-2)) >> (s-1)`. The lower half carries nothing: floors nest.
//! - [`SUM`]: `hi(a·m + c) >> (s-1)` with a 64-bit `c`: `2^(30+s)` for single rounding with `s = 1`; `2^(30+s) + 2^30` for
//!   TensorFlow Lite's two roundings where results below the zero point are clamped to it. There
//!   `floor((floor((a·m + 2^30) / 2^31) + 2^(s-1)) / 2^s)` has nested floors too, and what a negative `a` would subtract only
//!   moves values that are clamped.
//! - [`GENERAL`]: `(hi((a << l)·m + c) + (sign(a) & mask)) >> s`, with the accumulator shifted left beforehand.
//! - [`SIGNED`], of accumulators that come with bits to spare (`winograd`): `(hi(a·m) + c + (sign(a) & mask)) >> s`.
//! - [`LINE`], [`BENT`]: in floats, where `line` proves that they give the same (VNNI, whose instructions round as told).

#[cfg(all(target_arch = "x86_64", feature = "std"))]
#[macro_use]
mod table;

#[cfg(feature = "pack")]
mod line;
#[cfg(feature = "pack")]
pub mod pack;

#[cfg(all(target_arch = "x86_64", feature = "std"))]
pub(super) mod pool;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
mod run;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
pub(super) mod sum;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
pub(super) use run::*;
#[cfg(all(target_arch = "x86_64", feature = "std"))]
pub(super) mod winograd;

/// No addition in 64 bits.
pub(super) const HIGH: i32 = 0;
/// An addition in 64 bits.
pub(super) const SUM: i32 = 1;
/// Everything.
pub(super) const GENERAL: i32 = 2;
/// An addition in 32 bits, and the sign.
pub(super) const SIGNED: i32 = 3;
/// A line in floats.
pub(super) const LINE: i32 = 4;
/// A line in floats, another one for negative accumulators.
pub(super) const BENT: i32 = 5;
