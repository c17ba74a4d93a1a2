//! Attributes of the operators of int16 activations: no zero points, all of them are 0.

use super::{Conv, Mean, MultiplierWords, Pool, Product, Range, Requantize, Sum};

/// Bounds of an int16 tensor's values; the zero points are 0.
const fn range(low: i32, high: i32) -> Range {
    Range { input_zero_point: 0, output_zero_point: 0, low, high }
}

/// Attributes of `conv2d_i16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvI16 {
    /// Geometry, bounds and groups.
    pub conv: Conv,
    /// 64, or 32 where the accumulator is scaled by the multiplication for 32 bits.
    pub accumulator_bits: i32,
}

impl ConvI16 {
    /// Decodes `conv2d_i16`.
    pub fn from_conv2d(words: &[i32]) -> Option<Self> {
        let &[ref window @ .., groups, accumulator_bits] = words else { return None };
        let conv = Conv { groups, ..Self::from_depthwise_conv2d(window)? };
        Some(Self { conv, accumulator_bits })
    }

    /// Decodes `depthwise_conv2d_i16`.
    pub fn from_depthwise_conv2d(words: &[i32]) -> Option<Conv> {
        let &[kh, kw, sh, sw, dh, dw, pt, pl, low, high] = <&[i32; 10]>::try_from(words).ok()?;
        Conv::from_depthwise_conv2d(&[kh, kw, sh, sw, dh, dw, pt, pl, 0, 0, low, high])
    }
}

/// Decodes `fully_connected_i16`.
pub fn fully_connected_i16(words: &[i32]) -> Option<Range> {
    let &[low, high] = <&[i32; 2]>::try_from(words).ok()?;
    Some(range(low, high))
}

impl Pool {
    /// Decodes `average_pool2d_i16` or `max_pool2d_i16`.
    pub fn from_i16(words: &[i32]) -> Option<Self> {
        Self::from_max(words)
    }
}

impl Mean {
    /// Decodes `mean_i16`.
    pub fn from_i16(words: &[i32]) -> Option<Self> {
        let &[axes, mantissa, shift, low, high] = <&[i32; 5]>::try_from(words).ok()?;
        let multiplier = MultiplierWords { mantissa, shift };
        Some(Self { axes, requantize: Requantize { range: range(low, high), multiplier } })
    }
}

impl Sum {
    /// Decodes `add_i16` or `sub_i16`.
    pub fn from_i16(words: &[i32]) -> Option<Self> {
        let &[left_shift, m1, s1, m2, s2, m, s, low, high] = <&[i32; 9]>::try_from(words).ok()?;
        Self::from_words(&[0, 0, 0, left_shift, m1, s1, m2, s2, m, s, low, high])
    }
}

impl Product {
    /// Decodes `mul_i16`.
    pub fn from_i16(words: &[i32]) -> Option<Self> {
        let &[mantissa, shift, low, high] = <&[i32; 4]>::try_from(words).ok()?;
        Self::from_words(&[0, 0, 0, mantissa, shift, low, high])
    }
}

/// Attributes of `sigmoid_i16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigmoidI16 {
    /// 0 for the logistic function, 1 for the hyperbolic tangent.
    pub tanh: i32,
    /// Factor of the input.
    pub multiplier: i32,
    /// Bits by which the product is shifted right, rounded half up, to units of 1/12288.
    pub right_shift: i32,
}

impl SigmoidI16 {
    /// Decodes `sigmoid_i16`.
    pub fn from_words(words: &[i32]) -> Option<Self> {
        let &[tanh, multiplier, right_shift] = <&[i32; 3]>::try_from(words).ok()?;
        Some(Self { tanh, multiplier, right_shift })
    }
}

/// Decodes `softmax_i16`.
pub fn softmax_i16(words: &[i32]) -> Option<MultiplierWords> {
    let &[mantissa, shift] = <&[i32; 2]>::try_from(words).ok()?;
    Some(MultiplierWords { mantissa, shift })
}
