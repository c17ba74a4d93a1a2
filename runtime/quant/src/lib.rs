//! Layer 0: how an `i32` or `i64` accumulator becomes an `i8` or `i16`, and nothing else.
//!
//! Knows no tensor, operator or file format. `no_std`, integer only; the one place
//! that computes multipliers from real numbers is behind the `std` feature, because
//! only the compiler does that.
//!
//! The two rounding modes are normative: `runtime/format/FORMAT.md` states them, the
//! reference kernels use them, every other kernel must equal them bit for bit.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "std")]
extern crate std;

#[cfg(target_endian = "big")]
compile_error!("Tanbo artifacts are little-endian and are read in place");

#[cfg(feature = "std")]
mod real;
#[cfg(feature = "std")]
pub use real::{quantize, round_half_away, round_half_even};

mod wide;
pub use wide::requantize_wide;

/// How a product is rounded when it is scaled down. Recorded per step in the artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Rounding {
    /// One rounding, half up: `floor((a·m + 2^(30+s)) / 2^(31+s))`, `s = -shift`.
    Single = 0,
    /// TensorFlow Lite's two roundings: doubling high multiply, then a rounding shift.
    Tflite = 1,
}

/// A positive real factor `mantissa · 2^(shift - 31)`; a positive shift is a left shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Multiplier {
    /// Q31 mantissa, `0 ..= i32::MAX`; normalized multipliers have it in `2^30 ..`.
    pub mantissa: i32,
    /// Power of two, `-31 ..= 30`.
    pub shift: i32,
}

impl Multiplier {
    /// Smallest legal shift.
    pub const MIN_SHIFT: i32 = -31;
    /// Largest legal shift.
    pub const MAX_SHIFT: i32 = 30;

    /// Returns the multiplier, or `None` if a part is out of its range.
    pub const fn new(mantissa: i32, shift: i32) -> Option<Self> {
        if mantissa < 0 || shift < Self::MIN_SHIFT || shift > Self::MAX_SHIFT {
            return None;
        }
        Some(Self { mantissa, shift })
    }

    /// Returns `a` scaled by the multiplier, rounded by `rounding`.
    ///
    /// Total for every `a`: in [`Rounding::Single`] a result beyond `i32` saturates, in
    /// [`Rounding::Tflite`] the left shift wraps, as TensorFlow Lite Micro's does.
    #[inline(always)]
    pub const fn apply(self, a: i32, rounding: Rounding) -> i32 {
        match rounding {
            Rounding::Single => self.apply_single(a),
            Rounding::Tflite => self.apply_tflite(a),
        }
    }

    #[inline(always)]
    const fn apply_single(self, a: i32) -> i32 {
        // |a·m| < 2^62 and the rounding term is at most 2^61: the sum fits an i64.
        let right = 31 - self.shift;
        saturate((a as i64 * self.mantissa as i64 + (1i64 << (right - 1))) >> right)
    }

    /// Returns `a` scaled by the multiplier, an exact half rounded to the even neighbour; saturates to `i32`.
    ///
    /// For averages in [`Rounding::Single`] steps: a sum of `2^k` values divided by `2^k` is often an exact half, and ONNX
    /// rounds it to even.
    #[inline(always)]
    pub const fn apply_half_even(self, a: i32) -> i32 {
        let right = 31 - self.shift;
        let sum = a as i64 * self.mantissa as i64 + (1i64 << (right - 1));
        let rounded = sum >> right;
        let tie = sum & ((1i64 << right) - 1) == 0;
        saturate(if tie { rounded & !1 } else { rounded })
    }

    #[inline(always)]
    const fn apply_tflite(self, a: i32) -> i32 {
        let (left, right) = if self.shift > 0 { (self.shift, 0) } else { (0, -self.shift) };
        let high = rounding_doubling_high_mul(a.wrapping_shl(left as u32), self.mantissa);
        rounding_divide_by_pot(high, right)
    }
}

const fn saturate(x: i64) -> i32 {
    if x > i32::MAX as i64 {
        i32::MAX
    } else if x < i32::MIN as i64 {
        i32::MIN
    } else {
        x as i32
    }
}

/// Returns `(a·b + 2^30) >> 31`, saturating where `a = b = i32::MIN` (`HM` of FORMAT.md).
///
/// Source: gemmlowp `SaturatingRoundingDoublingHighMul`; negative products are nudged by
/// `1 - 2^30` and divided towards zero, which is the same as the floor form here.
#[inline(always)]
pub const fn rounding_doubling_high_mul(a: i32, b: i32) -> i32 {
    if a == i32::MIN && b == i32::MIN {
        return i32::MAX;
    }
    ((a as i64 * b as i64 + (1 << 30)) >> 31) as i32
}

/// Returns `x / 2^exponent` rounded half away from zero, `0 <= exponent <= 31` (`RD`).
#[inline(always)]
pub const fn rounding_divide_by_pot(x: i32, exponent: i32) -> i32 {
    let mask = ((1i64 << exponent) - 1) as i32;
    let remainder = x & mask;
    let threshold = ((mask as u32 >> 1) as i32) + (x < 0) as i32;
    (x >> exponent) + (remainder > threshold) as i32
}

/// Returns accumulator `a` scaled, moved to `zero_point` and clamped to `[low, high]`.
#[inline(always)]
pub const fn requantize(
    a: i32,
    multiplier: Multiplier,
    rounding: Rounding,
    zero_point: i32,
    low: i32,
    high: i32,
) -> i32 {
    let y = multiplier.apply(a, rounding).saturating_add(zero_point);
    if y < low {
        low
    } else if y > high {
        high
    } else {
        y
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formula of the specification in i128, so that nothing can wrap.
    fn single_by_definition(a: i32, m: i32, shift: i32) -> i32 {
        let right = 31 - shift;
        let value = (a as i128 * m as i128 + (1i128 << (right - 1))).div_euclid(1i128 << right);
        value.clamp(i32::MIN as i128, i32::MAX as i128) as i32
    }

    const EXTREMES: [i32; 11] =
        [i32::MIN, i32::MIN + 1, -(1 << 30), -129, -1, 0, 1, 128, 1 << 30, i32::MAX - 1, i32::MAX];
    const MANTISSAS: [i32; 5] = [0, 1 << 30, (1 << 30) + 1, 0x6000_0001, i32::MAX];

    #[test]
    fn single_equals_its_definition_at_the_extremes() {
        for a in EXTREMES {
            for m in MANTISSAS {
                for shift in Multiplier::MIN_SHIFT..=Multiplier::MAX_SHIFT {
                    let multiplier = Multiplier::new(m, shift).unwrap();
                    assert_eq!(
                        multiplier.apply(a, Rounding::Single),
                        single_by_definition(a, m, shift),
                        "{a} {m} {shift}"
                    );
                }
            }
        }
    }

    #[test]
    fn half_even_differs_from_single_only_at_odd_ties() {
        let half = Multiplier { mantissa: 1 << 30, shift: 0 };
        for (a, want) in [(1, 0), (3, 2), (5, 2), (-1, 0), (-3, -2), (-5, -2), (4, 2), (i32::MIN, i32::MIN / 2)] {
            assert_eq!(half.apply_half_even(a), want, "{a} / 2");
        }
        for a in EXTREMES {
            for m in MANTISSAS {
                for shift in Multiplier::MIN_SHIFT..=Multiplier::MAX_SHIFT {
                    let multiplier = Multiplier::new(m, shift).unwrap();
                    let (even, single) = (multiplier.apply_half_even(a), multiplier.apply(a, Rounding::Single));
                    let tie = (a as i128 * m as i128 + (1i128 << (30 - shift))).rem_euclid(1i128 << (31 - shift)) == 0;
                    let saturated = single == i32::MAX || single == i32::MIN;
                    assert!(
                        even == single || tie && !saturated && even == single - 1 && even % 2 == 0,
                        "{a} {m} {shift}"
                    );
                }
            }
        }
    }

    #[test]
    fn tflite_rounds_half_away_from_zero_in_the_divide() {
        for (x, exponent, want) in
            [(5, 1, 3), (-5, 1, -3), (4, 3, 1), (-4, 3, -1), (3, 3, 0), (i32::MIN, 31, -1), (7, 0, 7)]
        {
            assert_eq!(rounding_divide_by_pot(x, exponent), want, "{x} >> {exponent}");
        }
    }

    /// HM with the quotient truncated towards zero and RD on magnitudes, as TensorFlow Lite's documents describe them.
    fn tflite_by_definition(a: i32, m: i32, shift: i32) -> i32 {
        let left = if shift > 0 { a.wrapping_mul(1i32.wrapping_shl(shift as u32)) } else { a };
        let product = left as i128 * m as i128;
        let nudge = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
        let high = ((product + nudge) / (1 << 31)).min(i32::MAX as i128);
        let right = 0.max(-shift);
        let half = if right > 0 { 1i128 << (right - 1) } else { 0 };
        (high.signum() * ((high.abs() + half) >> right)) as i32
    }

    #[test]
    fn tflite_equals_its_definition() {
        let mut random = 1u32;
        let mut next = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            random as i32
        };
        let more: [i32; 200] = core::array::from_fn(|_| next() >> 7);
        for a in EXTREMES.into_iter().chain(more) {
            for m in MANTISSAS {
                for shift in Multiplier::MIN_SHIFT..=Multiplier::MAX_SHIFT {
                    let multiplier = Multiplier::new(m, shift).unwrap();
                    let want = tflite_by_definition(a, m, shift);
                    assert_eq!(multiplier.apply(a, Rounding::Tflite), want, "{a} {m} {shift}");
                }
            }
        }
        assert_eq!(rounding_doubling_high_mul(i32::MIN, i32::MIN), i32::MAX);
    }

    #[test]
    fn requantize_clamps() {
        let one = Multiplier { mantissa: 1 << 30, shift: 1 };
        assert_eq!(requantize(1000, one, Rounding::Single, -3, -128, 127), 127);
        assert_eq!(requantize(i32::MIN, one, Rounding::Tflite, -128, -128, 127), -128);
        assert_eq!(requantize(10, one, Rounding::Single, -3, -128, 127), 7);
    }
}
