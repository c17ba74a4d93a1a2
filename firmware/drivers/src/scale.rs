//! From a chip's steps to units, by one rounding: to the nearest, halves up.

use tanbo_board_api::Channel;

use crate::DriverError;

/// Standard gravity, mGal.
const G_MGAL: i64 = 980_665;

/// Returns `numerator / denominator`, rounded.
pub(crate) const fn divide(numerator: i64, denominator: i64) -> i64 {
    (numerator + denominator / 2).div_euclid(denominator)
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
