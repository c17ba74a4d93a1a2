//! What each operator asks of its shapes, attributes and constants, so that its kernels need not ask.

use tanbo_quant::{Multiplier, Rounding};

use crate::attrs::{self, Conv, MultiplierWords, Pool, Range, Window};
use crate::error::FormatErrorKind as Kind;
use crate::model::{Constant, Model, Step, Tensor};
use crate::op::{ElementType, MAX_RANK, Op};
use crate::record::MAX_TERMS;

type Checked = Result<(), Kind>;

/// Positions (row · stride + tap · dilation) stay below this, so that kernels may use i32.
const MAX_POSITION: i64 = 1 << 30;

fn ensure(condition: bool, kind: Kind) -> Checked {
    if condition { Ok(()) } else { Err(kind) }
}

/// Returns how many words and bytes of constants the checks of a step look at one by one.
pub(crate) fn entries(step: &Step<'_>) -> u64 {
    // Of weights and tables only the length matters; they come first.
    let unseen = matches!(step.op, Op::Conv2d | Op::DepthwiseConv2d | Op::FullyConnected | Op::Lut);
    let lengths = (0..step.op.consts().len()).skip(usize::from(unseen)).map(|index| match step.constant(index) {
        Some(Constant::I8(values)) => values.len(),
        Some(Constant::I32(values)) => values.len(),
        None => 0,
    });
    lengths.sum::<usize>() as u64
}

/// Returns the window of a step that has one.
pub(crate) fn window(step: &Step<'_>) -> Option<Window> {
    match step.op {
        Op::Conv2d => Conv::from_conv2d(step.attrs).map(|a| a.window),
        Op::DepthwiseConv2d => Conv::from_depthwise_conv2d(step.attrs).map(|a| a.window),
        Op::AveragePool2d => Pool::from_average(step.attrs).map(|a| a.window),
        Op::MaxPool2d => Pool::from_max(step.attrs).map(|a| a.window),
        _ => None,
    }
}

pub(crate) fn step(model: &Model<'_>, step: &Step<'_>, y: &Tensor<'_>) -> Checked {
    let input = |index: usize| step.inputs.get(index).and_then(|&t| model.tensor(t)).ok_or(Kind::Arity);
    let x = input(0)?;
    let moves_bytes = matches!(step.op, Op::Pad | Op::Concat | Op::Slice | Op::Transpose);
    if moves_bytes {
        ensure(x.ty == y.ty, Kind::Type)?;
    } else if step.op != Op::Requantize {
        ensure(x.ty == ElementType::I8 && y.ty == ElementType::I8, Kind::Type)?;
    }
    match step.op {
        Op::Conv2d => conv2d(step, &x, y),
        Op::DepthwiseConv2d => depthwise_conv2d(step, &x, y),
        Op::FullyConnected => fully_connected(step, &x, y),
        Op::AveragePool2d => average_pool2d(step, &x, y),
        Op::MaxPool2d => pool(&x, y, &Pool::from_max(step.attrs).ok_or(Kind::Arity)?),
        Op::Mean => mean(step, &x, y),
        Op::Add | Op::Sub => sum(step, &x, &input(1)?, y),
        Op::Mul => product(step, &x, &input(1)?, y),
        Op::Lut => {
            ensure(byte_constant(step, 0)?.len() == 256, Kind::Constant)?;
            ensure(x.shape == y.shape, Kind::Shape)
        }
        Op::Softmax => softmax(step, &x, y),
        Op::Pad => pad(step, &x, y),
        Op::Concat => concat(model, step, y),
        Op::Slice => slice(step, &x, y),
        Op::Transpose => transpose(step, &x, y),
        Op::Requantize => {
            let attributes = attrs::Requantize::from_words(step.attrs).ok_or(Kind::Arity)?;
            ensure(x.ty != ElementType::I32 && y.ty != ElementType::I32, Kind::Type)?;
            ensure(x.shape == y.shape, Kind::Shape)?;
            multiplier(attributes.multiplier)?;
            range(&attributes.range, x.ty, y.ty)
        }
    }
}

fn byte_constant<'a>(step: &Step<'a>, index: usize) -> Result<&'a [i8], Kind> {
    step.constant(index).and_then(Constant::i8).ok_or(Kind::Constant)
}

fn word_constant<'a>(step: &Step<'a>, index: usize) -> Result<&'a [i32], Kind> {
    step.constant(index).and_then(Constant::i32).ok_or(Kind::Constant)
}

fn multiplier(words: MultiplierWords) -> Checked {
    words.get().map(|_| ()).ok_or(Kind::Attribute)
}

fn multipliers(step: &Step<'_>, first: usize, lengths: [usize; 2]) -> Checked {
    let (mantissas, shifts) = (word_constant(step, first)?, byte_constant(step, first + 1)?);
    ensure(mantissas.len() == shifts.len() && lengths.contains(&shifts.len()), Kind::Constant)?;
    for (&mantissa, &shift) in mantissas.iter().zip(shifts) {
        Multiplier::new(mantissa, i32::from(shift)).ok_or(Kind::Constant)?;
    }
    Ok(())
}

fn bounds(low: i32, high: i32, ty: ElementType) -> Checked {
    let (least, greatest) = ty.range();
    ensure(least <= low && low <= high && high <= greatest, Kind::Attribute)
}

fn zero_point(value: i32, ty: ElementType) -> Checked {
    bounds(value, value, ty)
}

fn range(range: &Range, x: ElementType, y: ElementType) -> Checked {
    zero_point(range.input_zero_point, x)?;
    zero_point(range.output_zero_point, y)?;
    bounds(range.low, range.high, y)
}

/// Shapes of an operator with a window, and positions that fit an i32.
fn window_geometry(window: &Window, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    let (&[xn, xh, xw, _], &[yn, yh, yw, _]) = (x.shape, y.shape) else { return Err(Kind::Shape) };
    ensure(xn == yn, Kind::Shape)?;
    for (axis, (inputs, outputs)) in [(xh, yh), (xw, yw)].into_iter().enumerate() {
        let get = |values: &[i32; 2]| values.get(axis).map(|&v| i64::from(v)).ok_or(Kind::Attribute);
        let (kernel, stride) = (get(&window.kernel)?, get(&window.stride)?);
        let (dilation, pad) = (get(&window.dilation)?, get(&window.pad)?);
        ensure(kernel > 0 && stride > 0 && dilation > 0 && pad >= 0, Kind::Attribute)?;
        let last = i64::from(outputs) * stride + kernel * dilation + pad;
        ensure(last < MAX_POSITION && i64::from(inputs) < MAX_POSITION, Kind::Attribute)?;
    }
    Ok(())
}

/// `|Σ (x - zero point)·w + bias|` is at most `terms · 255 · 128 + |bias|`.
fn accumulator(terms: u64, bias: &[i32]) -> Checked {
    ensure(terms <= MAX_TERMS, Kind::Accumulator)?;
    let largest = bias.iter().map(|b| b.unsigned_abs()).max().unwrap_or(0);
    ensure(terms * 255 * 128 + u64::from(largest) <= i32::MAX as u64, Kind::Accumulator)
}

fn weights(step: &Step<'_>, outputs: usize, terms: u64) -> Checked {
    let weights = byte_constant(step, 0)?;
    let bias = word_constant(step, 1)?;
    accumulator(terms, bias)?;
    // At most 2^28 outputs of at most MAX_TERMS terms: the product fits.
    ensure(weights.len() as u64 == outputs as u64 * terms && bias.len() == outputs, Kind::Constant)?;
    multipliers(step, 2, [1, outputs])
}

/// Returns the taps of a window whose geometry is checked; saturates.
fn taps(window: &Window) -> u64 {
    let [height, width] = window.kernel.map(|taps| u64::try_from(taps).unwrap_or(0));
    height.saturating_mul(width)
}

fn conv2d(step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    let attributes = Conv::from_conv2d(step.attrs).ok_or(Kind::Arity)?;
    window_geometry(&attributes.window, x, y)?;
    range(&attributes.range, x.ty, y.ty)?;
    let (&[.., inputs], &[.., outputs]) = (x.shape, y.shape) else { return Err(Kind::Shape) };
    let groups = u32::try_from(attributes.groups).ok().filter(|&g| g > 0).ok_or(Kind::Attribute)?;
    ensure(inputs.is_multiple_of(groups) && outputs.is_multiple_of(groups), Kind::Shape)?;
    weights(step, outputs as usize, taps(&attributes.window).saturating_mul(u64::from(inputs / groups)))
}

fn depthwise_conv2d(step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    let attributes = Conv::from_depthwise_conv2d(step.attrs).ok_or(Kind::Arity)?;
    window_geometry(&attributes.window, x, y)?;
    range(&attributes.range, x.ty, y.ty)?;
    let (&[.., inputs], &[.., outputs]) = (x.shape, y.shape) else { return Err(Kind::Shape) };
    ensure(outputs.is_multiple_of(inputs), Kind::Shape)?;
    weights(step, outputs as usize, taps(&attributes.window))
}

fn fully_connected(step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    range(&attrs::fully_connected(step.attrs).ok_or(Kind::Arity)?, x.ty, y.ty)?;
    let outputs = word_constant(step, 1)?.len();
    let inputs = byte_constant(step, 0)?.len().checked_div(outputs).unwrap_or(0);
    weights(step, outputs, inputs as u64)?;
    let rows = x.elements().checked_div(inputs).ok_or(Kind::Shape)?;
    ensure(rows * inputs == x.elements() && rows.checked_mul(outputs) == Some(y.elements()), Kind::Shape)
}

fn pool(x: &Tensor<'_>, y: &Tensor<'_>, attributes: &Pool) -> Checked {
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
    accumulator(taps(window), &[])
}

fn average_pool2d(step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    let attributes = Pool::from_average(step.attrs).ok_or(Kind::Arity)?;
    pool(x, y, &attributes)?;
    match step.rounding {
        Rounding::Tflite => multipliers(step, 0, [0, 0]),
        // `pool` has bounded the taps.
        Rounding::Single => multipliers(step, 0, [taps(&attributes.window) as usize; 2]),
    }
}

fn mean(step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    let attributes = attrs::Mean::from_words(step.attrs).ok_or(Kind::Arity)?;
    range(&attributes.requantize.range, x.ty, y.ty)?;
    multiplier(attributes.requantize.multiplier)?;
    let rank = x.shape.len();
    ensure(attributes.axes >= 0 && attributes.axes < 1 << rank, Kind::Attribute)?;
    let kept: usize = (0..rank)
        .filter(|i| attributes.axes >> i & 1 == 0)
        .filter_map(|i| x.shape.get(i))
        .map(|&d| d as usize)
        .product();
    ensure(y.elements() == kept, Kind::Shape)?;
    accumulator((x.elements() / kept) as u64, &[])
}

/// Each axis of an operand, aligned at the last axis, equals the output's or is 1.
fn broadcast(x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    ensure(x.shape.len() <= y.shape.len(), Kind::Shape)?;
    let fits = x.shape.iter().rev().zip(y.shape.iter().rev()).all(|(&a, &b)| a == b || a == 1);
    ensure(fits, Kind::Shape)
}

fn sum(step: &Step<'_>, x1: &Tensor<'_>, x2: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    let attributes = attrs::Sum::from_words(step.attrs).ok_or(Kind::Arity)?;
    ensure(x2.ty == ElementType::I8, Kind::Type)?;
    broadcast(x1, y)?;
    broadcast(x2, y)?;
    // 9 bits of difference and 20 of headroom, not enlarged by its multiplier: the sum stays below 2^30.
    ensure((0..=20).contains(&attributes.left_shift), Kind::Attribute)?;
    for (words, zero) in attributes.input_multipliers.into_iter().zip(attributes.input_zero_points) {
        multiplier(words)?;
        ensure(words.shift <= 0, Kind::Attribute)?;
        zero_point(zero, ElementType::I8)?;
    }
    multiplier(attributes.multiplier)?;
    zero_point(attributes.output_zero_point, y.ty)?;
    bounds(attributes.low, attributes.high, y.ty)
}

fn product(step: &Step<'_>, x1: &Tensor<'_>, x2: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    let attributes = attrs::Product::from_words(step.attrs).ok_or(Kind::Arity)?;
    ensure(x2.ty == ElementType::I8, Kind::Type)?;
    broadcast(x1, y)?;
    broadcast(x2, y)?;
    for zero in attributes.input_zero_points {
        zero_point(zero, ElementType::I8)?;
    }
    multiplier(attributes.multiplier)?;
    zero_point(attributes.output_zero_point, y.ty)?;
    bounds(attributes.low, attributes.high, y.ty)
}

/// Up to this many values the sum of exponentials, each at most 2^19, stays below 2^28, so that the final shift
/// (35 less its leading zeros) is at most 31: beyond, TensorFlow Lite Micro's own arithmetic is undefined.
const MAX_TFLITE_SOFTMAX: u32 = 511;

fn softmax(step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
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

/// Attribute words per axis are zero for the axes that the tensor does not have.
fn zero_beyond_rank(words: &[i32; MAX_RANK], x: &Tensor<'_>) -> Checked {
    ensure(words.iter().skip(x.shape.len()).all(|&word| word == 0), Kind::Reserved)
}

fn pad(step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    let attributes = attrs::Pad::from_words(step.attrs).ok_or(Kind::Arity)?;
    zero_point(attributes.value, y.ty)?;
    ensure(x.shape.len() == y.shape.len(), Kind::Shape)?;
    zero_beyond_rank(&attributes.before, x)?;
    for ((&before, &inputs), &outputs) in attributes.before.iter().zip(x.shape).zip(y.shape) {
        let fits = before >= 0 && i64::from(before) + i64::from(inputs) <= i64::from(outputs);
        ensure(fits, Kind::Attribute)?;
    }
    Ok(())
}

fn concat(model: &Model<'_>, step: &Step<'_>, y: &Tensor<'_>) -> Checked {
    let &[axis] = step.attrs else { return Err(Kind::Arity) };
    let axis = usize::try_from(axis).ok().filter(|&a| a < y.shape.len()).ok_or(Kind::Attribute)?;
    let mut total = 0u64;
    for &input in step.inputs {
        let x = model.tensor(input).ok_or(Kind::Index)?;
        ensure(x.ty == y.ty, Kind::Type)?;
        ensure(x.shape.len() == y.shape.len(), Kind::Shape)?;
        let others_equal = x.shape.iter().zip(y.shape).enumerate().all(|(i, (a, b))| i == axis || a == b);
        ensure(others_equal, Kind::Shape)?;
        total += u64::from(*x.shape.get(axis).ok_or(Kind::Shape)?);
    }
    ensure(y.shape.get(axis).map(|&d| u64::from(d)) == Some(total), Kind::Shape)
}

fn slice(step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    let attributes = attrs::Slice::from_words(step.attrs).ok_or(Kind::Arity)?;
    ensure(x.shape.len() == y.shape.len(), Kind::Shape)?;
    zero_beyond_rank(&attributes.begin, x)?;
    zero_beyond_rank(&attributes.stride, x)?;
    let axes = attributes.begin.iter().zip(&attributes.stride).zip(x.shape.iter().zip(y.shape));
    for ((&begin, &stride), (&inputs, &outputs)) in axes {
        let inside = 0..i64::from(inputs);
        let last = i64::from(begin) + i64::from(stride) * i64::from(outputs - 1);
        ensure(inside.contains(&i64::from(begin)) && inside.contains(&last), Kind::Attribute)?;
        // Also where one element is taken and the stride means nothing: distances stay within the tensor.
        ensure(stride.unsigned_abs() <= inputs, Kind::Attribute)?;
    }
    Ok(())
}

fn transpose(step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    let perm = attrs::transpose(step.attrs).ok_or(Kind::Arity)?;
    ensure(x.shape.len() == y.shape.len() && x.shape.len() <= MAX_RANK, Kind::Shape)?;
    zero_beyond_rank(&perm, x)?;
    let mut seen = 0u32;
    for (&axis, &outputs) in perm.iter().zip(y.shape) {
        let inputs = usize::try_from(axis).ok().and_then(|a| x.shape.get(a)).ok_or(Kind::Attribute)?;
        ensure(*inputs == outputs, Kind::Shape)?;
        seen |= 1 << axis;
    }
    ensure(seen.count_ones() as usize == x.shape.len(), Kind::Attribute)
}
