//! Tables of 256 entries for functions of one int8 value, as TensorFlow Lite Micro's reference kernels compute them.
//!
//! Entry `q + 128` is the output for input `q`. LOGISTIC and TANH follow gemmlowp's fixed-point routines
//! (`fixedpoint/fixedpoint.h`): "Qn" is an `i32` with n integer bits and 31 - n fraction bits.

pub mod functions;
pub mod wide;

use tanbo_kernels::reference::fixed_point::{exp_on_negative, saturating_shl, twice_reciprocal_of_one_plus};
use tanbo_quant::{Multiplier, Rounding, rounding_divide_by_pot as rd, rounding_doubling_high_mul as hm};

/// A function of one int8 value.
pub type Table = Box<[i8; 256]>;

/// Scale and zero point of a tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantization {
    /// Real distance between neighbouring integers; finite and positive.
    pub scale: f32,
    /// The integer that stands for zero.
    pub zero_point: i32,
}

/// Returns the table of `f`, saturated to int8.
pub fn tabulate(mut f: impl FnMut(i32) -> i32) -> Table {
    let mut table = Box::new([0; 256]);
    for (entry, q) in table.iter_mut().zip(-128..) {
        *entry = f(q).clamp(-128, 127) as i8;
    }
    table
}

/// Returns a table of 256 integers within int8.
pub fn tabulate_integers(integers: &[i32]) -> Table {
    tabulate(|q| integers.get((q + 128) as usize).copied().unwrap_or_default())
}

/// Returns the table of 1 / (1 + exp(-x)) with output scale 1/256 and zero point -128, or `None` if the scale is out
/// of range.
pub fn logistic(x: Quantization) -> Option<Table> {
    sigmoidal(x, |v| rd(logistic_q4(v), 23) - 128)
}

/// Returns the table of tanh with output scale 1/128 and zero point 0, or `None` if the scale is out of range.
pub fn tanh(x: Quantization) -> Option<Table> {
    sigmoidal(x, |v| rd(tanh_q4(v), 24))
}

/// `f` of the input in Q4 within (-15, 15), the ends of int8 outside.
fn sigmoidal(x: Quantization, f: impl Fn(i32) -> i32) -> Option<Table> {
    const Q4_ONE: f64 = (1 << 27) as f64;
    let to_q4 = Multiplier::from_real(f64::from(x.scale) * Q4_ONE)?;
    let radius = (15.0 * Q4_ONE / f64::from(to_q4.shift).exp2()).floor();
    Some(tabulate(|q| {
        let d = q - x.zero_point;
        if f64::from(d) <= -radius {
            -128
        } else if f64::from(d) >= radius {
            127
        } else {
            f(to_q4.apply(d, Rounding::Tflite))
        }
    }))
}

/// Returns the table of `x` for `x >= 0` and `alpha · x` below, or `None` if a multiplier is out of range.
pub fn leaky_relu(x: Quantization, y: Quantization, alpha: f32) -> Option<Table> {
    let (sx, sy) = (f64::from(x.scale), f64::from(y.scale));
    let positive = Multiplier::from_real(sx / sy)?;
    let below = sx * f64::from(alpha) / sy;
    let negative = Multiplier::from_real(below.abs())?;
    // A negative slope has a negative mantissa, which a `Multiplier` of the artifact cannot have.
    let mantissa = if below < 0.0 { -negative.mantissa } else { negative.mantissa };
    let (left, right) = (negative.shift.max(0), (-negative.shift).max(0));
    Some(tabulate(|q| {
        let d = q - x.zero_point;
        let scaled = if d >= 0 {
            positive.apply(d, Rounding::Tflite)
        } else {
            rd(hm(d.wrapping_shl(left as u32), mantissa), right)
        };
        scaled.saturating_add(y.zero_point)
    }))
}

/// Returns the table of `positive(x)`: `x` for `x >= 0`, else 0; or `None` if the multiplier is out of range.
pub fn positive_part(x: Quantization, y: Quantization) -> Option<Table> {
    leaky_relu(x, y, 0.0)
}

/// Returns the table of exp(x) - 1 below zero and x above, or `None` where the result is not a number.
pub fn elu(x: Quantization, y: Quantization) -> Option<Table> {
    let inverse = 1.0 / y.scale;
    if !inverse.is_finite() {
        return None;
    }
    Some(tabulate(|q| {
        let real = x.scale * (q - x.zero_point) as f32;
        // In f64 and rounded: the correctly rounded expf, whatever the libm.
        let real = if real < 0.0 { f64::from(real).exp() as f32 - 1.0 } else { real };
        // Casts saturate.
        ((real * inverse).round() + y.zero_point as f32) as i32
    }))
}

/// Returns the table of x · min(max(x + 3, 0), 6) / 6, or `None` if the output scale is too fine: less than 1/128 of
/// the input's.
pub fn hard_swish(x: Quantization, y: Quantization) -> Option<Table> {
    // Inputs are taken 128 times as fine, in i16; the gate (x + 3) / 6 has scale 3 / 32768.
    let fine = f64::from(x.scale) / 128.0;
    let output = Multiplier::from_real(fine / f64::from(y.scale))?;
    let gate = Multiplier::from_real(fine / (3.0 / 32768.0))?;
    if output.shift > 0 {
        return None;
    }
    let (output_mantissa, gate_mantissa) = (narrow(output.mantissa), narrow(gate.mantissa));
    Some(tabulate(|q| {
        let d = sat16(i64::from(q - x.zero_point) << 7);
        let scaled = hm16(d, output_mantissa);
        let mut g = d;
        if gate.shift > 0 {
            g = sat16(i64::from(g) << (gate.shift - 1).min(31));
        }
        g = hm16(g, gate_mantissa);
        if gate.shift > 0 {
            g = sat16(i64::from(g) << 1);
        } else {
            g = rd(g, -gate.shift);
        }
        let g = (g + 32768) >> 1;
        // Towards zero, unlike every other product here.
        let product = g * scaled / 32768;
        rd(product, -output.shift) + y.zero_point
    }))
}

fn sat16(x: i64) -> i32 {
    x.clamp(-32768, 32767) as i32
}

/// A Q31 mantissa as Q15.
fn narrow(mantissa: i32) -> i32 {
    sat16((i64::from(mantissa) + (1 << 15)) >> 16)
}

/// `hm` for 16-bit values.
fn hm16(a: i32, b: i32) -> i32 {
    sat16((i64::from(a) * i64::from(b) + (1 << 14)) >> 15)
}

/// 1 / (1 + exp(-a)) in Q0 for `a` in Q4.
fn logistic_q4(a: i32) -> i32 {
    if a == 0 {
        return 1 << 30;
    }
    let positive = saturating_shl(twice_reciprocal_of_one_plus(exp_on_negative(-a.saturating_abs(), 4)), 1);
    if a > 0 { positive } else { i32::MAX - positive }
}

/// tanh(a) in Q0 for `a` in Q4.
fn tanh_q4(a: i32) -> i32 {
    if a == 0 {
        return 0;
    }
    // -2·|a| in Q5 is -|a| in Q4, and (1 - e) / (1 + e) is 2 / (1 + e) - 1.
    let reciprocal = twice_reciprocal_of_one_plus(exp_on_negative(-a.saturating_abs(), 5));
    let positive = saturating_shl(reciprocal.saturating_sub(1 << 29), 2);
    if a > 0 { positive } else { -positive }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(table: &[i8; 256], x: Quantization, y: Quantization, f: impl Fn(f64) -> f64) {
        for (q, &entry) in (-128..).zip(table.iter()) {
            let real = f(f64::from(x.scale) * f64::from(q - x.zero_point)) / f64::from(y.scale);
            let want = (real + f64::from(y.zero_point)).clamp(-128.0, 127.0);
            assert!((f64::from(entry) - want).abs() <= 1.01, "{x:?} {q}: {entry}, really {want}");
        }
    }

    #[test]
    fn tables_are_within_one_of_the_real_functions() {
        for scale in [1e-6, 0.003, 0.04, 0.3, 2.0] {
            for zero_point in [-128, -7, 0, 127] {
                let x = Quantization { scale, zero_point };
                let y = Quantization { scale: 1.0 / 256.0, zero_point: -128 };
                near(&logistic(x).unwrap(), x, y, |v| 1.0 / (1.0 + (-v).exp()));
                let y = Quantization { scale: 1.0 / 128.0, zero_point: 0 };
                near(&tanh(x).unwrap(), x, y, f64::tanh);
                let y = Quantization { scale: scale * 0.9, zero_point: 11 };
                near(&elu(x, y).unwrap(), x, y, |v| if v < 0.0 { v.exp_m1() } else { v });
                for alpha in [0.3, -0.2] {
                    near(&leaky_relu(x, y, alpha).unwrap(), x, y, |v| if v < 0.0 { v * f64::from(alpha) } else { v });
                }
                near(&positive_part(x, y).unwrap(), x, y, |v| v.max(0.0));
            }
        }
        for scale in [0.01, 0.04, 0.1] {
            let (x, y) = (Quantization { scale, zero_point: -3 }, Quantization { scale, zero_point: -100 });
            near(&hard_swish(x, y).unwrap(), x, y, |v| v * (v + 3.0).clamp(0.0, 6.0) / 6.0);
        }
    }

    #[test]
    fn fixed_point_ends_and_middle() {
        assert_eq!((logistic_q4(0), tanh_q4(0), exp_on_negative(0, 5)), (1 << 30, 0, i32::MAX));
        assert_eq!(logistic_q4(i32::MAX) + logistic_q4(-i32::MAX), i32::MAX);
        assert_eq!(tanh_q4(i32::MIN), -tanh_q4(i32::MAX));
    }

    #[test]
    fn extreme_scales_give_tables_or_none() {
        for sx in [f32::MIN_POSITIVE, 1e-30, 1.0, 1e9, f32::MAX] {
            let x = Quantization { scale: sx, zero_point: -128 };
            let _ = (logistic(x), tanh(x));
            for sy in [f32::from_bits(1), f32::MIN_POSITIVE, 1.0, f32::MAX] {
                let y = Quantization { scale: sy, zero_point: 127 };
                let _ = (elu(x, y), hard_swish(x, y), leaky_relu(x, y, -1e30), leaky_relu(x, y, f32::NAN));
            }
        }
        assert!(
            hard_swish(Quantization { scale: 200.0, zero_point: 0 }, Quantization { scale: 1.0, zero_point: 0 })
                .is_none()
        );
    }
}
