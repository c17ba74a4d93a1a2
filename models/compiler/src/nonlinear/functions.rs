//! Functions of one int8 value that are tables in TensorFlow Lite's kernels, or that its kernels compute value by value.
//!
//! ABS and RSQRT are those of TensorFlow Lite Micro; EXP, LOG, GELU and SQRT, which that has not, those of LiteRT's
//! reference kernels. Where they compute in f32, each function here is computed in f64 and rounded to f32 once, whatever
//! the libm.

use tanbo_kernels::reference::fixed_point::inverse_square_root;
use tanbo_quant::{Multiplier, Rounding};

use super::{Quantization, Table, tabulate};

/// Returns the table of a function of f32, as LiteRT populates one; `None` where the output scale is out of range.
fn populate(x: Quantization, y: Quantization, f: impl Fn(f32) -> f32) -> Option<Table> {
    let inverse = 1.0 / y.scale;
    if !inverse.is_finite() {
        return None;
    }
    // Casts saturate.
    Some(tabulate(|q| {
        let real = x.scale * (q - x.zero_point) as f32;
        ((f(real) * inverse).round() + y.zero_point as f32) as i32
    }))
}

/// Returns the table of exp(x).
pub fn exp(x: Quantization, y: Quantization) -> Option<Table> {
    populate(x, y, |v| libm::exp(f64::from(v)) as f32)
}

/// Returns the table of ln(x); the least output where x is not positive.
pub fn log(x: Quantization, y: Quantization) -> Option<Table> {
    let least = y.scale * (-128 - y.zero_point) as f32;
    populate(x, y, |v| if v > 0.0 { libm::log(f64::from(v)) as f32 } else { least })
}

/// Returns the table of x · (1 + erf(x / √2)) / 2, or of its approximation by tanh.
pub fn gelu(x: Quantization, y: Quantization, approximate: bool) -> Option<Table> {
    const MINUS_FRAC_1_SQRT_2: f32 = -std::f32::consts::FRAC_1_SQRT_2;
    /// √(2 / π)
    const SQRT_2_OVER_PI: f32 = 0.797_884_6;
    populate(x, y, |v| {
        if approximate {
            let inner = SQRT_2_OVER_PI * (v + 0.044_715 * v * v * v);
            0.5 * v * (1.0 + libm::tanh(f64::from(inner)) as f32)
        } else {
            0.5 * v * libm::erfc(f64::from(v * MINUS_FRAC_1_SQRT_2)) as f32
        }
    })
}

/// Returns the table of |x|, or `None` if the multiplier is out of range.
pub fn abs(x: Quantization, y: Quantization) -> Option<Table> {
    let multiplier = Multiplier::from_real(f64::from(x.scale) / f64::from(y.scale))?;
    Some(tabulate(|q| {
        let distance = (q - x.zero_point).abs();
        let scaled = if x.scale == y.scale { distance } else { multiplier.apply(distance, Rounding::Tflite) };
        scaled.saturating_add(y.zero_point)
    }))
}

/// Returns the table of √x, truncated; `None` where x can be negative or a scale is out of range.
pub fn sqrt(x: Quantization, y: Quantization) -> Option<Table> {
    if x.zero_point != -128 || !(1.0 / y.scale).is_finite() {
        return None;
    }
    Some(tabulate(|q| {
        let real = x.scale * (q - x.zero_point) as f32;
        ((real.sqrt() / y.scale) as i32).saturating_add(y.zero_point)
    }))
}

/// Returns the table of 1 / √x, the greatest output at 0; `None` where x can be negative or a multiplier is out of range.
pub fn rsqrt(x: Quantization, y: Quantization) -> Option<Table> {
    /// Bits that keep the root an integer.
    const BITS: i32 = 20;
    let multiplier = Multiplier::from_real(1.0 / (f64::from(x.scale).sqrt() * f64::from(y.scale)))?;
    let multiplier = Multiplier::new(multiplier.mantissa, multiplier.shift - BITS)?;
    if x.zero_point != -128 {
        return None;
    }
    Some(tabulate(|q| {
        let value = q - x.zero_point;
        if value == 0 {
            return i32::MAX;
        }
        let (mantissa, shift) = inverse_square_root(value);
        let root = Multiplier { mantissa, shift: shift + BITS }.apply(1, Rounding::Tflite);
        multiplier.apply(root, Rounding::Tflite).saturating_add(y.zero_point)
    }))
}
