//! Softmax.

use super::*;

/// Up to this many values the sum of exponentials, each at most 2^19, stays below 2^28, so that the final shift
/// (35 less its leading zeros) is at most 31: beyond, TensorFlow Lite Micro's own arithmetic is undefined.
const MAX_TFLITE_SOFTMAX: u32 = 511;

pub(super) fn softmax(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    int8(x, y)?;
    let attributes = attrs::Softmax::from_words(step.attrs).ok_or(Kind::Arity)?;
    ensure(x.shape == y.shape, Kind::Shape)?;
    let &[.., length] = x.shape else { return Err(Kind::Shape) };
    multiplier(attributes.multiplier)?;
    zero_point(attributes.output_zero_point, y.ty)?;
    let exponentials = word_constant(step, 0)?;
    match step.rounding {
        Rounding::Tflite => {
            ensure(exponentials.is_empty(), Kind::Constant)?;
            ensure(length <= MAX_TFLITE_SOFTMAX, Kind::Accumulator)?;
            // Differences not below `diff_min`, shifted left, fit Q5.26: at most 31 · 2^26.
            let shift = attributes.multiplier.shift;
            let widest = i64::from(attributes.diff_min).checked_neg().unwrap_or(-1);
            ensure((0..=30).contains(&shift) && (0..=31 << 26 >> shift).contains(&widest), Kind::Attribute)
        }
        Rounding::Single => {
            ensure(
                exponentials.len() == 256 && exponentials.iter().all(|&e| (0..=1 << 23).contains(&e)),
                Kind::Constant,
            )?;
            // exp(0), which the greatest value contributes, keeps the sum from being zero.
            ensure(exponentials.first() == Some(&(1 << 23)), Kind::Constant)
        }
    }
}
