//! Operators with states: SVDF, LSTM, GRU.

use super::*;
use crate::attrs::{Gru, Lstm, Recurrence, Svdf};
use crate::model::Storage;

/// Returns state `index` of a step.
fn state<'a>(model: &Model<'a>, step: &Step<'_>, index: usize) -> Result<Tensor<'a>, Kind> {
    step.states.get(index).and_then(|&t| model.tensor(t)).ok_or(Kind::Arity)
}

fn flag(value: i32) -> Result<bool, Kind> {
    ensure(value == 0 || value == 1, Kind::Attribute)?;
    Ok(value == 1)
}

fn length(step: &Step<'_>, index: usize, wanted: u64) -> Checked {
    ensure(step.constant(index).map(|c| c.len() as u64) == Some(wanted), Kind::Constant)
}

pub(super) fn svdf(model: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    int8(x, y)?;
    let attributes = Svdf::from_words(step.attrs).ok_or(Kind::Arity)?;
    let (&[batch, inputs], &[rows, units]) = (x.shape, y.shape) else { return Err(Kind::Shape) };
    ensure(batch == rows, Kind::Shape)?;
    let rank = u32::try_from(attributes.rank).ok().filter(|&rank| rank > 0).ok_or(Kind::Attribute)?;
    let filters = u64::from(units) * u64::from(rank);
    let past = state(model, step, 0)?;
    ensure(past.ty == ElementType::I8 || past.ty == ElementType::I16, Kind::Type)?;
    let time_weights = step.constant(1).map_or(0, Constant::len) as u64;
    let memory = time_weights.checked_div(filters).filter(|&memory| memory > 0).ok_or(Kind::Constant)?;
    ensure(memory * filters == time_weights, Kind::Constant)?;
    // A tensor has at most 2^28 elements, and constants less than 2^32 bytes: the products fit.
    ensure(past.elements() as u64 == time_weights * u64::from(batch), Kind::Shape)?;
    length(step, 0, filters * u64::from(inputs))?;
    length(step, 2, units.into())?;
    // The sum over time is taken modulo 2^32.
    accumulator(inputs.into(), &[])?;
    zero_point(attributes.input_zero_point, x.ty)?;
    zero_point(attributes.state_zero_point, past.ty)?;
    zero_point(attributes.output_zero_point, y.ty)?;
    multiplier(attributes.feature)?;
    multiplier(attributes.multiplier)
}

/// Sizes of a recurrent step.
struct Sizes {
    batch: u32,
    inputs: u32,
    units: u32,
}

/// Shapes, flags, zero points and hidden state of a recurrent step.
fn recurrence(
    model: &Model<'_>,
    step: &Step<'_>,
    attributes: &Recurrence,
    x: &Tensor<'_>,
    y: &Tensor<'_>,
) -> Result<Sizes, Kind> {
    let wide = matches!(step.op, Op::LstmI16 | Op::GruI16);
    let ty = if wide { ElementType::I16 } else { ElementType::I8 };
    let hidden = state(model, step, 0)?;
    ensure(x.ty == ty && y.ty == ty && hidden.ty == ty, Kind::Type)?;
    let (&[x0, x1, inputs], &[y0, y1, units]) = (x.shape, y.shape) else { return Err(Kind::Shape) };
    ensure(x0 == y0 && x1 == y1, Kind::Shape)?;
    let batch = if flag(attributes.time_major)? { x1 } else { x0 };
    flag(attributes.reverse)?;
    flag(attributes.keep)?;
    ensure(hidden.elements() as u64 == u64::from(batch) * u64::from(units), Kind::Shape)?;
    for zero in [attributes.input_zero_point, attributes.hidden_zero_point] {
        zero_point(zero, ty)?;
        ensure(!wide || zero == 0, Kind::Attribute)?;
    }
    Ok(Sizes { batch, inputs, units })
}

/// A sum of products of 16 and 8 bits, and a bias, within what the wide multiplication takes.
fn wide_accumulator(terms: u64, bias: &[i64]) -> Checked {
    let bias = bias.iter().map(|b| b.unsigned_abs()).max().unwrap_or(0);
    let sum = terms.checked_mul(32768 * 128).and_then(|sum| sum.checked_add(bias)).ok_or(Kind::Accumulator)?;
    ensure(sum <= Multiplier::MAX_WIDE as u64, Kind::Accumulator)
}

/// The sum of `terms` products and of the bias in constant `bias`, if there is one.
fn sum_fits(step: &Step<'_>, terms: u64, bias: Option<usize>) -> Checked {
    match bias.map(|index| step.constant(index).ok_or(Kind::Constant)).transpose()? {
        Some(Constant::I32(bias)) => accumulator(terms, bias),
        Some(Constant::I64(bias)) => wide_accumulator(terms, bias),
        Some(_) => Err(Kind::Constant),
        None if matches!(step.op, Op::LstmI16 | Op::GruI16) => wide_accumulator(terms, &[]),
        None => accumulator(terms, &[]),
    }
}

/// Weights in constants 0 and 1, the bias in 2, multipliers of input and hidden state from `first` on.
fn gates(step: &Step<'_>, sizes: &Sizes, gates: u64, first: usize) -> Checked {
    let rows = gates * u64::from(sizes.units);
    length(step, 0, rows * u64::from(sizes.inputs))?;
    length(step, 1, rows * u64::from(sizes.units))?;
    length(step, 2, rows)?;
    sum_fits(step, sizes.inputs.into(), Some(2))?;
    sum_fits(step, sizes.units.into(), None)?;
    for first in [first, first + 2] {
        multipliers(step, first, [gates as usize, rows as usize])?;
        if matches!(step.op, Op::LstmI16 | Op::GruI16) && step.rounding == Rounding::Tflite {
            let shifts = byte_constant(step, first + 1)?;
            ensure(shifts.iter().all(|&s| i32::from(s) <= Multiplier::MAX_WIDE_SHIFT), Kind::Constant)?;
        }
    }
    Ok(())
}

pub(super) fn lstm(model: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    let attributes = Lstm::from_words(step.attrs).ok_or(Kind::Arity)?;
    let sizes = recurrence(model, step, &attributes.recurrence, x, y)?;
    let cell = state(model, step, 1)?;
    ensure(cell.ty == ElementType::I16, Kind::Type)?;
    ensure(cell.elements() as u64 == u64::from(sizes.batch) * u64::from(sizes.units), Kind::Shape)?;
    for words in [attributes.forget, attributes.update, attributes.hidden] {
        multiplier(words)?;
    }
    let clip = (0..=i32::from(i16::MAX)).contains(&attributes.cell_clip);
    ensure(clip && (0..=15).contains(&attributes.cell_bits), Kind::Attribute)?;
    gates(step, &sizes, 4, 3)
}

pub(super) fn gru(model: &Model<'_>, step: &Step<'_>, x: &Tensor<'_>, y: &Tensor<'_>) -> Checked {
    let attributes = Gru::from_words(step.attrs).ok_or(Kind::Arity)?;
    let sizes = recurrence(model, step, &attributes.recurrence, x, y)?;
    multiplier(attributes.unit)?;
    multiplier(attributes.hidden)?;
    gates(step, &sizes, 3, 4)?;
    let units = u64::from(sizes.units);
    if flag(attributes.linear_before_reset)? {
        length(step, 3, units)?;
        return sum_fits(step, units, Some(3));
    }
    length(step, 3, 0)?;
    // What the reset gate leaves of an 8-bit value has four bits after the point.
    if step.op == Op::Gru {
        ensure(units * (255 * 16 * 128) <= i32::MAX as u64, Kind::Accumulator)?;
    }
    // One 16-bit value per unit.
    let scratch = step.scratch.and_then(|storage| model.storage(storage));
    let Some(Storage::Arena { bytes, .. }) = scratch else { return Err(Kind::Shape) };
    ensure(bytes as u64 >= 2 * units, Kind::Shape)
}
