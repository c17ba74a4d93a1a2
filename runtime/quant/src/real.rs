//! Multipliers and int8 values from real numbers: compile-time work, never inference.

use crate::Multiplier;

/// Returns `x` rounded to the nearest integer, halves away from zero (TensorFlow Lite).
pub fn round_half_away(x: f64) -> f64 {
    x.round()
}

/// Returns `x` rounded to the nearest integer, halves to even (ONNX `QuantizeLinear`).
pub fn round_half_even(x: f64) -> f64 {
    x.round_ties_even()
}

/// Returns `real / scale + zero_point`, halves to even, saturated to `[low, high]`.
///
/// The ONNX `QuantizeLinear` definition in f32, as ONNX Runtime computes it.
pub fn quantize(real: f32, scale: f32, zero_point: i32, low: i32, high: i32) -> i32 {
    let q = (real / scale).round_ties_even() as f64 + zero_point as f64;
    if q.is_nan() { zero_point.clamp(low, high) } else { q.clamp(low as f64, high as f64) as i32 }
}

impl Multiplier {
    /// Returns the multiplier nearest to the real factor `d >= 0` (`QM` of FORMAT.md),
    /// or `None` if `d` is negative, not finite, or `2^30` and more.
    ///
    /// Factors below `2^-32` become zero, as in TensorFlow Lite.
    pub fn from_real(d: f64) -> Option<Self> {
        if !d.is_finite() || d < 0.0 {
            return None;
        }
        if d == 0.0 {
            return Some(Self { mantissa: 0, shift: 0 });
        }
        let (fraction, mut exponent) = frexp(d);
        let mut mantissa = round_half_away(fraction * (1u64 << 31) as f64) as i64;
        if mantissa == 1 << 31 {
            mantissa >>= 1;
            exponent += 1;
        }
        if exponent < Self::MIN_SHIFT {
            return Some(Self { mantissa: 0, shift: 0 });
        }
        Self::new(mantissa as i32, exponent)
    }

    /// Returns the real factor.
    pub fn to_real(self) -> f64 {
        self.mantissa as f64 * (self.shift as f64 - 31.0).exp2()
    }
}

/// Splits a finite, positive `d` into a fraction in `[0.5, 1)` and a power of two.
fn frexp(d: f64) -> (f64, i32) {
    const EXPONENT_BITS: u64 = 0x7ff << 52;
    let bits = d.to_bits();
    if bits & EXPONENT_BITS == 0 {
        let (fraction, exponent) = frexp(d * (1u64 << 54) as f64);
        return (fraction, exponent - 54);
    }
    let exponent = ((bits & EXPONENT_BITS) >> 52) as i32 - 1022;
    (f64::from_bits((bits & !EXPONENT_BITS) | (1022 << 52)), exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_real_is_normalized_and_near() {
        for d in [1.0, 0.5, 0.999_999_999_9, 3.7e-9, 1e-7, 0.0123, 1.0 / 3.0, 255.9, 1.07e9] {
            let m = Multiplier::from_real(d).unwrap();
            assert!(m.mantissa >= 1 << 30, "{d}: {m:?}");
            assert!((m.to_real() / d - 1.0).abs() < 1.0 / (1u64 << 31) as f64, "{d}: {m:?}");
        }
    }

    #[test]
    fn from_real_refuses_and_flushes() {
        assert_eq!(Multiplier::from_real(-1.0), None);
        assert_eq!(Multiplier::from_real(f64::NAN), None);
        assert_eq!(Multiplier::from_real((1u64 << 31) as f64), None);
        assert_eq!(Multiplier::from_real(1e-12), Some(Multiplier { mantissa: 0, shift: 0 }));
        assert_eq!(Multiplier::from_real(f64::MIN_POSITIVE / 4.0).unwrap().mantissa, 0);
    }

    #[test]
    fn quantize_follows_onnx() {
        assert_eq!(quantize(0.5, 1.0, 0, -128, 127), 0);
        assert_eq!(quantize(1.5, 1.0, 0, -128, 127), 2);
        assert_eq!(quantize(f32::INFINITY, 1.0, 3, -128, 127), 127);
        assert_eq!(quantize(f32::NAN, 1.0, 3, -128, 127), 3);
    }
}
