//! How lanes scale an accumulator: which instructions give the bits of each rounding.
//!
//! `high(a, m) = floor(a·m / 2^31)` is SQDMULH, `near(a, m) = floor(a·m / 2^31 + 1/2)` SQRDMULH, `shift(x, s) = floor(x / 2^s +
//! 1/2)` SRSHL.
//!
//! - Single rounding is `shift(high(a, m), s)` for `s >= 1`: the floor of a sum with an integer may be taken in two steps. For
//!   `s <= 0`, `a · 2^(1-s)` is taken instead of `a`, saturating, and `s = 1`: the mantissas allowed are so great that a
//!   product of what saturated lies far outside int8, as the exact one does.
//! - TensorFlow Lite's is `shift(near(a, m), s)`, but halves go away from zero: a negative `near` is lessened by one where
//!   `s > 0`. That it does not need where the output's lowest value is its zero point or above: what is negative becomes
//!   the lowest value whichever way it is rounded.

#![allow(dead_code, reason = "a target's kernels have some of these forms; who packs for them names all")]

/// `shift(high(a, m), s)`.
pub const SINGLE: i32 = 0;
/// The same after a saturating shift to the left.
pub const SINGLE_LEFT: i32 = 1;
/// `shift(near(a, m), s)`.
pub const TFLITE_POSITIVE: i32 = 2;
/// The same with halves away from zero, every `s` 1 or more: SSRA adds the sign to the product.
pub const TFLITE: i32 = 3;
/// The same after a shift to the left that wraps, with any `s`.
pub const TFLITE_LEFT: i32 = 4;
