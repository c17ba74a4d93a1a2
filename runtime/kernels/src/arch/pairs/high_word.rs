//! Requantization by the high word of a product: for cores that have one instruction for it.

use alloc::vec::Vec;

use tanbo_quant::Rounding;

use super::pack::Channel;

/// Appends `m`, `C`, `s`: the output of accumulator `a` is `clamp((high word of 4a·m + C + sign) >> s)`, where the kernel
/// sets `sign = -2` for a negative `a` in steps of which [`super::signed`] says so, else 0.
///
/// With `h = floor(4a·m / 2^32)` and the multiplier's right shift `r`: in one rounding `floor((a·m + 2^(30+r)) / 2^(31+r)) =
/// floor((h + 2^r) / 2^(r+1))`; in TensorFlow Lite's the first product is `floor((h + 1) / 2)`, the shift adds `2^(r-1)` and
/// takes 1 of a negative value, and floors of floors are one. Clamps at the zero point hide what is negative.
pub(crate) fn requantization(channel: &Channel<'_>, record: &mut Vec<i32>) -> Option<i32> {
    let range = channel.source.range;
    let right = -channel.multiplier.shift;
    // The constant, 2^8 · 2^(r+1) at most, and the high word are below 2^30 each.
    if !(0..=20).contains(&right) || channel.bounds.iter().any(|bound| bound.abs() >= 1 << 29) {
        return None;
    }
    if range.zero_point.unsigned_abs() > 255 {
        return None;
    }
    let rounding = match range.rounding {
        Rounding::Single => 1 << right,
        Rounding::Tflite if right == 0 => {
            // No second rounding: nothing to be taken of negative values.
            (!super::signed(&range)).then_some(1)?
        }
        Rounding::Tflite => 1 + (1 << right),
    };
    record.extend([channel.multiplier.mantissa, rounding + (range.zero_point << (right + 1)), right + 1]);
    Some(0)
}
