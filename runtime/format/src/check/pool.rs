//! Pools and means.

use super::*;
use crate::attrs::Pool;
use crate::model::Storage;

/// Geometry and bounds of a pool; returns its taps.
pub(super) fn pool(x: &Tensor<'_>, y: &Tensor<'_>, attributes: &Pool) -> Result<u64, Kind> {
    let window = &attributes.window;
    window_geometry(window, x, y)?;
    range(&attributes.range, x.ty, y.ty)?;
    let (&[_, xh, xw, xc], &[_, yh, yw, yc]) = (x.shape, y.shape) else { return Err(Kind::Shape) };
    ensure(xc == yc, Kind::Shape)?;
    let ([kh, kw], [sh, sw], [pt, pl]) = (window.kernel, window.stride, window.pad);
    // The first and the last window hold at least one element each, so all do.
    for (kernel, stride, pad, inputs, outputs) in [(kh, sh, pt, xh, yh), (kw, sw, pl, xw, yw)] {
        let last = i64::from(outputs - 1) * i64::from(stride) - i64::from(pad);
        ensure(pad < kernel && last < i64::from(inputs), Kind::Shape)?;
    }
    Ok(taps(window))
}

pub(super) fn average_pool2d(model: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    int8(x, y)?;
    let attributes = Pool::from_average(step.attrs).ok_or(Kind::Arity)?;
    let taps = pool(x, y, &attributes)?;
    accumulator(taps, &[])?;
    // Scratch stands for sums: the input is taken in row by row, for one output row.
    if let Some(scratch) = step.scratch {
        let (&[1, 1, _, _], Some(Storage::Arena { bytes, .. })) = (y.shape, model.storage(scratch)) else {
            return Err(Kind::Shape);
        };
        ensure(bytes / 4 >= y.elements(), Kind::Constant)?;
    }
    divisors(step, taps as usize)
}

/// Multipliers of a pool: one per number of taps, or none where the sum is divided as an integer.
pub(super) fn divisors(step: &Step<'_>, taps: usize) -> Checked {
    match step.rounding {
        Rounding::Tflite => multipliers(step, 0, [0, 0]),
        Rounding::Single => multipliers(step, 0, [taps; 2]),
    }
}

pub(super) fn max_pool2d(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    int8(x, y)?;
    accumulator(pool(x, y, &Pool::from_max(step.attrs).ok_or(Kind::Arity)?)?, &[])
}

pub(super) fn mean(_: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    int8(x, y)?;
    let attributes = attrs::Mean::from_words(step.attrs).ok_or(Kind::Arity)?;
    accumulator(reduced(&attributes, x, y)?, &[])
}

/// Shapes, bounds and multiplier of a mean; returns the number of values in each.
pub(super) fn reduced(attributes: &attrs::Mean, x: &Tensor<'_>, y: &Tensor<'_>) -> Result<u64, Kind> {
    range(&attributes.requantize.range, x.ty, y.ty)?;
    multiplier(attributes.requantize.multiplier)?;
    let kept = kept(attributes.axes, x)?;
    ensure(y.elements() == kept, Kind::Shape)?;
    Ok((x.elements() / kept) as u64)
}

/// Returns the number of elements that are left when the axes whose bits are set are reduced.
pub(super) fn kept(axes: i32, x: &Tensor<'_>) -> Result<usize, Kind> {
    let rank = x.shape.len();
    ensure(axes >= 0 && axes < 1 << rank, Kind::Attribute)?;
    Ok((0..rank).filter(|i| axes >> i & 1 == 0).filter_map(|i| x.shape.get(i)).map(|&d| d as usize).product())
}
