//! Requantization of the `i64` accumulators of 16-bit activations.

use crate::{Multiplier, Rounding, saturate};

impl Multiplier {
    /// Greatest magnitude of an accumulator that the wide functions take: they are exact up to here.
    pub const MAX_WIDE: i64 = (1 << 47) - 1;
    /// Largest shift that TensorFlow Lite's wide multiplication is made for.
    pub const MAX_WIDE_SHIFT: i32 = 7;

    /// Returns `a` scaled by the multiplier (`MBW` of FORMAT.md), for `|a| <= MAX_WIDE`.
    ///
    /// [`Rounding::Single`]: the whole mantissa, one exact floor, half up; a result beyond `i32` saturates.
    /// [`Rounding::Tflite`]: the mantissa rounded to 16 bits, half up; a result beyond `i32` keeps its low 32 bits, and a
    /// shift above [`Multiplier::MAX_WIDE_SHIFT`] counts as that one. Source: TensorFlow Lite's
    /// `MultiplyByQuantizedMultiplier(int64_t, ..)`.
    #[inline]
    pub const fn apply_wide(self, a: i64, rounding: Rounding) -> i32 {
        match rounding {
            Rounding::Single => self.apply_wide_single(a),
            Rounding::Tflite => self.apply_wide_tflite(a),
        }
    }

    /// `floor((a·m + 2^(right-1)) / 2^right)` with `a = high·2^16 + low`: `low·m` gets the rounding term, `high·m` only
    /// carries; no intermediate value leaves an `i64`.
    #[inline]
    const fn apply_wide_single(self, a: i64) -> i32 {
        let mantissa = self.mantissa as i64;
        let right = 31 - self.shift;
        // |high| <= 2^31, so that |high·m| < 2^62; 0 <= low < 2^16.
        let high = (a >> 16) * mantissa;
        let low = (a & 0xffff) * mantissa + (1i64 << (right - 1));
        if right >= 16 {
            return saturate((high + (low >> 16)) >> (right - 16));
        }
        // Beyond 2^47 the result saturates whatever `low` adds, which is less than 2^47.
        let bound = 1i64 << 47;
        let high = if high > bound {
            bound
        } else if high < -bound {
            -bound
        } else {
            high
        };
        saturate((high << (16 - right)) + (low >> right))
    }

    #[inline]
    const fn apply_wide_tflite(self, a: i64) -> i32 {
        let reduced = if self.mantissa < 0x7fff_0000 { (self.mantissa + (1 << 15)) >> 16 } else { 0x7fff };
        let shift = if self.shift > Self::MAX_WIDE_SHIFT { Self::MAX_WIDE_SHIFT } else { self.shift };
        let right = 15 - shift;
        ((a * reduced as i64 + (1i64 << (right - 1))) >> right) as i32
    }
}

/// Returns accumulator `a`, `|a| <= MAX_WIDE`, scaled and clamped to `[low, high]`. 16-bit activations have zero point 0.
#[inline]
pub const fn requantize_wide(a: i64, multiplier: Multiplier, rounding: Rounding, low: i32, high: i32) -> i32 {
    let y = multiplier.apply_wide(a, rounding);
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

    fn single_by_definition(a: i64, m: i32, shift: i32) -> i32 {
        let right = 31 - shift;
        let value = (i128::from(a) * i128::from(m) + (1i128 << (right - 1))).div_euclid(1i128 << right);
        value.clamp(i32::MIN.into(), i32::MAX.into()) as i32
    }

    /// The mantissa as the nearest multiple of 2^16, at most 32767 of them; the low 32 bits of the exact quotient.
    fn tflite_by_definition(a: i64, m: i32, shift: i32) -> i32 {
        let reduced = ((i128::from(m) + 32768).div_euclid(65536)).min(32767);
        let divisor = 1i128 << (15 - shift);
        (i128::from(a) * reduced + divisor / 2).div_euclid(divisor) as i32
    }

    const EXTREMES: [i64; 17] = [
        -Multiplier::MAX_WIDE,
        1 - Multiplier::MAX_WIDE,
        -(1 << 46),
        i32::MIN as i64 - 1,
        i32::MIN as i64,
        -65537,
        -65536,
        -1,
        0,
        1,
        65535,
        65536,
        i32::MAX as i64,
        i32::MAX as i64 + 1,
        1 << 46,
        Multiplier::MAX_WIDE - 1,
        Multiplier::MAX_WIDE,
    ];
    const MANTISSAS: [i32; 8] = [0, 1, 1 << 30, (1 << 30) + 1, 0x6000_0001, 0x7ffe_ffff, 0x7fff_0000, i32::MAX];

    /// Extremes, then values of every magnitude.
    fn accumulators() -> impl Iterator<Item = i64> {
        let mut state = 1u64;
        EXTREMES.into_iter().chain((0..2000).map(move |i| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state as i64 >> 16) >> (i % 47)
        }))
    }

    fn each(mut check: impl FnMut(i64, Multiplier)) {
        for (i, a) in accumulators().enumerate() {
            let random = (a as i32).wrapping_mul(0x9e37_79b1u32 as i32) & i32::MAX;
            for m in MANTISSAS.into_iter().chain([random | 1 << 30]) {
                // Every shift for the extremes; for the others a few.
                let step = if i < EXTREMES.len() { 1 } else { 7 };
                for shift in (Multiplier::MIN_SHIFT + (i % step) as i32..=Multiplier::MAX_SHIFT).step_by(step) {
                    check(a, Multiplier::new(m, shift).unwrap());
                }
            }
        }
    }

    #[test]
    fn single_equals_its_definition() {
        each(|a, m| {
            let want = single_by_definition(a, m.mantissa, m.shift);
            assert_eq!(m.apply_wide(a, Rounding::Single), want, "{a} {m:?}");
        });
    }

    #[test]
    fn tflite_equals_its_definition() {
        each(|a, m| {
            let want = tflite_by_definition(a, m.mantissa, m.shift.min(Multiplier::MAX_WIDE_SHIFT));
            assert_eq!(m.apply_wide(a, Rounding::Tflite), want, "{a} {m:?}");
        });
    }

    #[test]
    fn single_equals_the_narrow_form_where_both_are_defined() {
        each(|a, m| {
            if let Ok(narrow) = i32::try_from(a) {
                assert_eq!(m.apply_wide(a, Rounding::Single), m.apply(narrow, Rounding::Single), "{a} {m:?}");
            }
        });
    }

    #[test]
    fn requantize_wide_clamps() {
        let one = Multiplier { mantissa: 1 << 30, shift: 1 };
        assert_eq!(requantize_wide(1 << 20, one, Rounding::Single, -32768, 32767), 32767);
        assert_eq!(requantize_wide(-(1 << 20), one, Rounding::Tflite, -5, 32767), -5);
        assert_eq!(requantize_wide(77, one, Rounding::Tflite, -32768, 32767), 77);
    }
}
