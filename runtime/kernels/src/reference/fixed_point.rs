//! Exponential and reciprocal in 32-bit fixed point, as TensorFlow Lite's integer kernels compute them.
//!
//! Qn.m means n integer and m fractional bits besides the sign. The method is gemmlowp's
//! (github.com/google/gemmlowp, `fixedpoint/fixedpoint.h`): a polynomial around -1/8 and a product of constants for the
//! exponential, three Newton steps for the reciprocal. Every function is total.

use tanbo_quant::{rounding_divide_by_pot, rounding_doubling_high_mul};

/// Returns `x · 2^bits`, saturating.
pub const fn saturating_shl(x: i32, bits: u32) -> i32 {
    let wide = (x as i64) << bits;
    if wide > i32::MAX as i64 {
        i32::MAX
    } else if wide < i32::MIN as i64 {
        i32::MIN
    } else {
        wide as i32
    }
}

/// Returns `exp(a)` in Q0.31 for `a` in `[-1/4, 0)`, Q0.31.
///
/// Around c = -1/8: `exp(c) · (1 + x + x²/2 + x³/6 + x⁴/24)` with `x = a - c`.
const fn exp_near_zero(a: i32) -> i32 {
    const EXP_MINUS_EIGHTH: i32 = 1_895_147_668;
    const THIRD: i32 = 715_827_883;
    let x = a.wrapping_add(1 << 28);
    let x2 = rounding_doubling_high_mul(x, x);
    let x3 = rounding_doubling_high_mul(x2, x);
    let x4_quarter = rounding_divide_by_pot(rounding_doubling_high_mul(x2, x2), 2);
    let cubic = rounding_doubling_high_mul(x4_quarter.wrapping_add(x3), THIRD);
    let tail = rounding_divide_by_pot(cubic.wrapping_add(x2), 1);
    EXP_MINUS_EIGHTH.wrapping_add(rounding_doubling_high_mul(EXP_MINUS_EIGHTH, x.wrapping_add(tail)))
}

/// Returns `exp(a)` in Q0.31 for `a <= 0` with `integer_bits` integer bits (at most 5).
pub const fn exp_on_negative(a: i32, integer_bits: u32) -> i32 {
    /// `exp(-2^e) · 2^31` for `e` from -2 to 4.
    const FACTORS: [i32; 7] = [1_672_461_947, 1_302_514_674, 790_015_084, 290_630_308, 39_332_535, 720_401, 242];
    if a == 0 {
        return i32::MAX;
    }
    let fractional_bits = 31 - integer_bits;
    let quarter = 1 << (fractional_bits - 2);
    let minus_part = (a & (quarter - 1)).wrapping_sub(quarter);
    let mut result = exp_near_zero(saturating_shl(minus_part, integer_bits));
    let remainder = minus_part.wrapping_sub(a);
    let mut i = 0;
    while i < FACTORS.len() && i < integer_bits as usize + 2 {
        if remainder >> (fractional_bits - 2 + i as u32) & 1 == 1 {
            result = rounding_doubling_high_mul(result, FACTORS[i]);
        }
        i += 1;
    }
    result
}

/// Returns `1 / √value` as mantissa and shift of a multiplier; the greatest, 1, for values up to 1. Five Newton steps in
/// Q3.28, from an even shift of the value on.
pub const fn inverse_square_root(value: i32) -> (i32, i32) {
    const HALF_SQRT_2: i32 = 1_518_500_250;
    const THREE_HALVES: i32 = (1 << 28) + (1 << 27);
    if value <= 1 {
        return (i32::MAX, 0);
    }
    let (mut value, mut right) = (value, 11);
    while value >= 1 << 29 {
        value /= 4;
        right += 1;
    }
    let pairs = (value.leading_zeros() as i32 - 1) / 2 - 1;
    right -= pairs;
    let half = rounding_divide_by_pot(value << (2 * pairs) >> 1, 1);
    let mut x = 1 << 28;
    let mut step = 0;
    while step < 5 {
        let cube = saturating_shl(rounding_doubling_high_mul(rounding_doubling_high_mul(x, x), x), 6);
        let next = rounding_doubling_high_mul(THREE_HALVES, x).wrapping_sub(rounding_doubling_high_mul(half, cube));
        x = saturating_shl(next, 3);
        step += 1;
    }
    let mantissa = rounding_doubling_high_mul(x, HALF_SQRT_2);
    if right < 0 { (mantissa << -right, 0) } else { (mantissa, -right) }
}

/// Returns `2 / (1 + a)` in Q2.29 for `a` in `[0, 1)`, Q0.31: three Newton steps.
pub const fn twice_reciprocal_of_one_plus(a: i32) -> i32 {
    const FORTY_EIGHT_17THS: i32 = 1_515_870_810;
    const MINUS_THIRTY_TWO_17THS: i32 = -1_010_580_540;
    const ONE: i32 = 1 << 29;
    // (a + 1) / 2, rounded; its reciprocal lies in (1, 2], so x is in Q2.29.
    let half = ((a as i64 + i32::MAX as i64 + 1) / 2) as i32;
    let mut x = FORTY_EIGHT_17THS.wrapping_add(rounding_doubling_high_mul(half, MINUS_THIRTY_TWO_17THS));
    let mut step = 0;
    while step < 3 {
        let error = ONE.wrapping_sub(rounding_doubling_high_mul(half, x));
        x = x.wrapping_add(saturating_shl(rounding_doubling_high_mul(x, error), 2));
        step += 1;
    }
    x
}

/// Returns `1 / (1 + a)` in Q0.31 for `a` in `[0, 1)`, Q0.31.
pub const fn reciprocal_of_one_plus(a: i32) -> i32 {
    // Half of what is in Q2.29 is the same raw value with one integer bit; then to none.
    saturating_shl(twice_reciprocal_of_one_plus(a), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_to_the_real_functions() {
        assert_eq!(exp_on_negative(0, 5), i32::MAX);
        // exp(-1) and 1/(1 + 0.5) in Q0.31; the polynomial leaves out x^5/120, 2.5e-7 at most.
        assert!((exp_on_negative(-(1 << 26), 5) - 790_015_084).abs() < 1024);
        assert!((reciprocal_of_one_plus(1 << 30) - 1_431_655_765).abs() < 64);
    }
}
