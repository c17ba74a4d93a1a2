//! Binary logarithm of an integer.

/// Returns log2(`value`) in Q8 (256 per octave); 0 for 0 and 1.
///
/// The mantissa is taken as its own logarithm (J. N. Mitchell, "Computer multiplication and division using binary
/// logarithms", 1962): never above the true value and at most 0.0861 octaves plus one step below it, and monotone.
pub const fn log2_q8(value: u64) -> i32 {
    if value == 0 {
        return 0;
    }
    let exponent = value.ilog2();
    let mantissa = if exponent >= 8 { value >> (exponent - 8) } else { value << (8 - exponent) };
    (exponent as i32) * 256 + (mantissa as i32 - 256)
}

#[cfg(test)]
mod tests {
    use super::log2_q8;
    use proptest::prelude::*;

    #[test]
    fn powers_of_two_are_exact() {
        for exponent in 0..64 {
            assert_eq!(log2_q8(1 << exponent), 256 * exponent);
        }
        assert_eq!(log2_q8(0), 0);
        assert_eq!(log2_q8(u64::MAX), 63 * 256 + 255);
    }

    proptest! {
        #[test]
        fn is_close_to_the_logarithm_and_monotone(value in 1u64..u64::MAX) {
            let error = (value as f64).log2() * 256.0 - f64::from(log2_q8(value));
            prop_assert!((-0.01..23.1).contains(&error), "log2({value}) is off by {error}/256");
            prop_assert!(log2_q8(value) <= log2_q8(value + 1));
        }
    }
}
