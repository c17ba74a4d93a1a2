//! Scaling of values below 2^16 by one multiplier, in short multiplications: for products and changes of scale.
//!
//! With the mantissa as `h·2^16 + m·2 + b`, `b` a bit, `a·mantissa / 2^31` is `(a·h + (a·m + a·b/2) / 2^15) / 2^15`: no part leaves
//! 32 bits, and floors of floors are the floor of the whole.

use tanbo_quant::{Multiplier, Rounding};

use crate::Output;

/// Greatest magnitude of a value.
const MOST: u32 = 0xFFFF;

/// A multiplier and an output.
#[derive(Clone, Copy)]
pub(super) struct Narrow {
    high: i32,
    middle: i32,
    bit: i32,
    /// What the high word gets before its shift: half a unit where TensorFlow Lite rounds there.
    half_word: i32,
    /// What a value is shifted left by before.
    left: u32,
    half: i32,
    /// -1 where a negative half is rounded away from zero, else 0.
    away: i32,
    right: u32,
    zero_point: i32,
    least: i32,
    greatest: i32,
}

impl Narrow {
    /// Returns the form for values of at most `most` in magnitude, `None` where there is none.
    pub fn new(multiplier: Multiplier, range: &Output, most: u32) -> Option<Self> {
        let shift = -multiplier.shift;
        let (left, right) = match range.rounding {
            // A value shifted left is scaled by as much more to the right: the same product, rounded once.
            Rounding::Single => ((1 - shift).max(0), shift.max(1)),
            Rounding::Tflite => ((-shift).max(0), shift.max(0)),
        };
        if left > 16 || right > 30 || most << left > MOST || i16::try_from(range.zero_point).is_err() {
            return None;
        }
        let tflite = range.rounding == Rounding::Tflite;
        Some(Self {
            high: multiplier.mantissa >> 16,
            middle: (multiplier.mantissa & 0xFFFF) >> 1,
            bit: -(multiplier.mantissa & 1),
            half_word: if tflite { 1 << 14 } else { 0 },
            left: left as u32,
            half: if right > 0 { 1 << (right - 1) } else { 0 },
            away: if tflite && right > 0 { -1 } else { 0 },
            right: right as u32,
            zero_point: range.zero_point,
            least: range.low,
            greatest: range.high,
        })
    }

    /// Returns `a` as an output value.
    #[inline(always)]
    pub fn apply(&self, a: i32) -> i32 {
        let a = a << self.left;
        let below = (a * self.middle + ((a & self.bit) >> 1)) >> 15;
        let word = (a * self.high + below + self.half_word) >> 15;
        let away = (word >> 31) & self.away;
        let value = ((word + self.half + away) >> self.right) + self.zero_point;
        value.min(self.greatest).max(self.least)
    }
}
