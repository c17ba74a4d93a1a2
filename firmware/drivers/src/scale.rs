//! From a chip's steps to units, by one rounding: to the nearest, halves up.

use tanbo_board_api::Channel;

use crate::DriverError;

/// Standard gravity, mGal.
const G_MGAL: i64 = 980_665;

/// Returns `numerator / denominator`, rounded.
///
/// The denominator's powers of two are shifted out first, which loses nothing of a floor: what is left mostly fits the
/// 32-bit divider that cores have, and many readings go through here.
pub(crate) const fn divide(numerator: i64, denominator: i64) -> i64 {
    let shift = denominator.trailing_zeros();
    let (numerator, denominator) = ((numerator + denominator / 2) >> shift, denominator >> shift);
    let (short, divisor) = (numerator as i32, denominator as i32);
    if short as i64 == numerator && divisor as i64 == denominator {
        return short.div_euclid(divisor) as i64;
    }
    numerator.div_euclid(denominator)
}

/// Returns `steps` of a chip with `steps_per_g`, in mGal.
pub(crate) const fn mgal(steps: i32, steps_per_g: i32) -> i32 {
    divide(steps as i64 * G_MGAL, steps_per_g as i64) as i32
}

/// Returns `mgal` in steps of a chip with `steps_per_g`.
pub(crate) const fn steps(mgal: i32, steps_per_g: i32) -> i64 {
    divide(mgal as i64 * steps_per_g as i64, G_MGAL)
}

/// Returns a reading whose values are in their channels' ranges.
pub(crate) fn within<const N: usize>(values: [i32; N], channels: &[Channel]) -> Result<[i32; N], DriverError> {
    let holds = |(value, channel): (&i32, &Channel)| (channel.min..=channel.max).contains(value);
    if values.iter().zip(channels).all(holds) { Ok(values) } else { Err(DriverError::Corrupt) }
}

#[cfg(test)]
mod tests {
    use super::divide;

    #[test]
    fn a_quotient_is_that_of_the_whole_numbers() {
        let edges = [0, 1, 2, 999, 1 << 20, i32::MAX.into(), 1 << 31, 1 << 39, 1 << 50];
        for denominator in [1, 2, 3, 25, 500, 51_200, 64_000, 128_000, 256_000, 65_535, 1 << 24, (1 << 40) + 2] {
            for numerator in
                edges.into_iter().flat_map(|edge: i64| (-3..=3).flat_map(move |near| [edge + near, near - edge]))
            {
                let expected = (numerator + denominator / 2).div_euclid(denominator);
                assert_eq!(divide(numerator, denominator), expected, "{numerator} / {denominator}");
            }
        }
    }
}
