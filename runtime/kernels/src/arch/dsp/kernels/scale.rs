//! One multiplier for all values: what sums, products and changes of scale do with it.

use tanbo_quant::{Multiplier, Rounding};

use crate::Output;

/// The assembly that scales twice a value `a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// One rounding.
    Single,
    /// TensorFlow Lite's two, the second for a shift to the right.
    Tflite,
    /// TensorFlow Lite's first rounding: nothing is shifted to the right.
    Left,
}

/// A multiplier as the assembly takes it.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Which assembly.
    pub way: Way,
    /// What a value is to be shifted left by before.
    pub left: u32,
    /// Mantissa, what is added to the high word of a product, and by how much the sum is shifted to the right.
    pub words: [i32; 3],
}

impl Scale {
    /// Greatest shift to the right, for which the zero point shifted left still fits.
    const MOST: i32 = 23;

    /// Returns the multiplier's form for outputs in `range`; `None` where the assembly has none.
    pub fn new(multiplier: Multiplier, range: &Output) -> Option<Self> {
        let right = -multiplier.shift;
        // In single rounding a value shifted left is scaled by as much more to the right: the same product, rounded once.
        let (way, left) = match range.rounding {
            Rounding::Single => (Way::Single, (1 - right).max(0)),
            Rounding::Tflite if right > 0 => (Way::Tflite, 0),
            Rounding::Tflite => (Way::Left, -right),
        };
        let shift = if way == Way::Left { 0 } else { right + left };
        if shift > Self::MOST || i8::try_from(range.zero_point).is_err() {
            return None;
        }
        let half = if way == Way::Left { 0 } else { 1 << (shift - 1) };
        let words = [multiplier.mantissa, (range.zero_point << shift) + half, shift];
        Some(Self { way, left: left as u32, words })
    }
}

/// Product of `$acc`, twice a value, with `r9`, plus `r10`, as `RD(HM(..))` before its shift or rounded once; `$free` is lost.
macro_rules! product {
    (tflite $acc:literal $free:literal) => {
        concat!("add ", $free, ", r10, ", $acc, ", asr #31\nsmmlar ", $acc, ", ", $acc, ", r9, ", $free, "\n")
    };
    (single $acc:literal $free:literal) => {
        concat!("smmla ", $acc, ", ", $acc, ", r9, r10\n")
    };
    (left $acc:literal $free:literal) => {
        concat!("smmlar ", $acc, ", ", $acc, ", r9, r10\n")
    };
}
pub(super) use product;

/// The output value of `$acc`, twice a value: 3 instructions (`single`), 4 (`tflite`), 2 (`left`). `r9`-`r11`: [`Scale::words`].
macro_rules! scaled {
    (left $acc:literal $free:literal) => {
        concat!(super::scale::product!(left $acc $free), "ssat ", $acc, ", #8, ", $acc, "\n")
    };
    ($way:ident $acc:literal $free:literal) => {
        concat!(
            super::scale::product!($way $acc $free),
            "asr ", $acc, ", ", $acc, ", r11\nssat ", $acc, ", #8, ", $acc, "\n"
        )
    };
}
pub(super) use scaled;

/// Four values in one word, in `$a`: 3 instructions.
macro_rules! word {
    ($a:literal $b:literal $c:literal $d:literal) => {
        concat!(
            "bfi ",
            $a,
            ", ",
            $b,
            ", #8, #8\nbfi ",
            $c,
            ", ",
            $d,
            ", #8, #8\n",
            "pkhbt ",
            $a,
            ", ",
            $a,
            ", ",
            $c,
            ", lsl #16\n"
        )
    };
}
pub(super) use word;

/// Returns both halfwords of a word, equal.
pub fn halves(value: i32) -> i32 {
    i32::from(value as i16) & 0xFFFF | value << 16
}
