//! `lstm`: per step in time, sequence and unit u, with the hidden state h before the step,
//!
//! `a_k = sat16(sat16(MB(bias_k[u] + Σ (x - zx)·W_k[u]; m_k)) + sat16(MB(Σ (h - zh)·R_k[u]; r_k)))` in Q3.12 for the gates
//! k = i, f, g, o; `i, f, o = sigmoid(3·a)`, `g = tanh(3·a_g)` in Q0.15;
//! `c = sat16(sat16(MB(f·c; forget)) + sat16(MB(i·g; update)))`, then within ±clip;
//! `h' = clamp(MB(o·tanh(cell argument of c); hidden) + zh)`, which is the output.
//!
//! MB is the wide form where activations have 16 bits. sigmoid and tanh are [`super::sigmoid16`]'s. Structure and
//! arithmetic follow github.com/tensorflow/tflite-micro, `micro/kernels/lstm_eval.h`.

use tanbo_quant::{Multiplier, Rounding};

use super::{ensure, sigmoid16};
use crate::{Gates, KernelResult, LengthError, Lstm, Multipliers, Sequence};

/// An activation of 8 or 16 bits, with the accumulator that its weighted sums take.
pub trait Activation: Copy + Into<i32> {
    /// Type of a bias.
    type Bias: Copy;

    /// Returns `bias + Σ (x - zero point)·w`, scaled.
    fn weighted(
        x: &[Self],
        zero_point: i32,
        weights: &[i8],
        bias: Option<Self::Bias>,
        multiplier: Multiplier,
        rounding: Rounding,
    ) -> i32;

    /// Returns the value at least and at most in range.
    fn clamp(value: i32) -> Self;
}

impl Activation for i8 {
    type Bias = i32;

    fn weighted(
        x: &[i8],
        zero_point: i32,
        weights: &[i8],
        bias: Option<i32>,
        m: Multiplier,
        rounding: Rounding,
    ) -> i32 {
        let terms = x.iter().zip(weights).map(|(&x, &w)| (i32::from(x) - zero_point) * i32::from(w));
        m.apply(bias.unwrap_or(0) + terms.sum::<i32>(), rounding)
    }

    fn clamp(value: i32) -> i8 {
        value.clamp(-128, 127) as i8
    }
}

impl Activation for i16 {
    type Bias = i64;

    fn weighted(
        x: &[i16],
        zero_point: i32,
        weights: &[i8],
        bias: Option<i64>,
        m: Multiplier,
        rounding: Rounding,
    ) -> i32 {
        let terms = x.iter().zip(weights).map(|(&x, &w)| i64::from(i32::from(x) - zero_point) * i64::from(w));
        m.apply_wide(bias.unwrap_or(0) + terms.sum::<i64>(), rounding)
    }

    fn clamp(value: i32) -> i16 {
        sat16(value) as i16
    }
}

/// Returns `value` as far as 16 bits reach.
pub(super) fn sat16(value: i32) -> i32 {
    value.clamp(-32768, 32767)
}

impl<B: Copy> Gates<'_, B> {
    /// Returns the weighted sum over the input of `gate` for unit `unit`, in Q3.12.
    pub(super) fn input<A: Activation<Bias = B>>(&self, s: &Sequence, gate: usize, unit: usize, x: &[A]) -> i32 {
        let row = gate * s.units + unit;
        let weights = &self.input_weights[row * s.inputs..][..s.inputs];
        let multiplier = self.multiplier(&self.input_multipliers, s, gate, unit);
        sat16(A::weighted(x, self.input_zero_point, weights, Some(self.bias[row]), multiplier, self.rounding))
    }

    /// Returns the weighted sum over the hidden state of `gate` for unit `unit`, in Q3.12.
    pub(super) fn hidden<A: Activation<Bias = B>>(
        &self,
        s: &Sequence,
        gate: usize,
        unit: usize,
        h: &[A],
        bias: Option<B>,
    ) -> i32 {
        let weights = &self.recurrent_weights[(gate * s.units + unit) * s.units..][..s.units];
        let multiplier = self.multiplier(&self.recurrent_multipliers, s, gate, unit);
        sat16(A::weighted(h, self.hidden_zero_point, weights, bias, multiplier, self.rounding))
    }

    /// Returns the multiplier of a gate, or of a unit of it.
    pub(super) fn multiplier(&self, m: &Multipliers<'_>, s: &Sequence, gate: usize, unit: usize) -> Multiplier {
        let per_unit = m.shifts.len() == self.bias.len();
        let index = if per_unit { gate * s.units + unit } else { gate };
        Multiplier { mantissa: m.mantissas[index], shift: i32::from(m.shifts[index]) }
    }

    /// Returns whether the lengths are those of `gates` gates.
    pub(super) fn lengths_fit(&self, s: &Sequence, gates: usize) -> bool {
        let rows = gates * s.units;
        let multipliers = |m: &Multipliers<'_>| {
            m.mantissas.len() == m.shifts.len() && (m.shifts.len() == gates || m.shifts.len() == rows)
        };
        self.input_weights.len() == rows * s.inputs
            && self.recurrent_weights.len() == rows * s.units
            && self.bias.len() == rows
            && multipliers(&self.input_multipliers)
            && multipliers(&self.recurrent_multipliers)
    }
}

/// Returns the tanh in Q0.15 of a cell with `bits` bits after the point.
///
/// Its argument in units of 1/12288 is three times the cell in Q.12: shifted left, or right with a half added.
fn tanh_of_cell(cell: i32, bits: u32) -> i32 {
    let argument = if bits <= 12 { cell * (3 << (12 - bits)) } else { (cell * 3 + (1 << (bits - 13))) >> (bits - 12) };
    sigmoid16::tanh(argument)
}

/// Computes all steps of all sequences; the states are `[batch, units]`.
pub fn run<A: Activation>(
    p: &Lstm<'_, A::Bias>,
    input: &[A],
    hidden: &mut [A],
    cell: &mut [i16],
    output: &mut [A],
) -> KernelResult {
    let (s, rounding) = (&p.sequence, p.gates.rounding);
    let rows = s.batch * s.steps;
    ensure(s.units > 0 && p.gates.lengths_fit(s, 4) && p.cell_bits <= 15)?;
    ensure(input.len() == rows * s.inputs && output.len() == rows * s.units)?;
    ensure(hidden.len() == s.batch * s.units && cell.len() == s.batch * s.units)?;
    for batch in 0..s.batch {
        let state = batch * s.units..(batch + 1) * s.units;
        let hidden = hidden.get_mut(state.clone()).ok_or(LengthError)?;
        let cell = cell.get_mut(state).ok_or(LengthError)?;
        for step in 0..s.steps {
            let row = s.row(step, batch);
            let x = &input[row * s.inputs..][..s.inputs];
            let y = &mut output[row * s.units..][..s.units];
            for (unit, (y, cell)) in y.iter_mut().zip(cell.iter_mut()).enumerate() {
                let gate = |k| sat16(p.gates.input(s, k, unit, x) + p.gates.hidden(s, k, unit, hidden, None)) * 3;
                let (i, f) = (sigmoid16::sigmoid(gate(0)), sigmoid16::sigmoid(gate(1)));
                let (g, o) = (sigmoid16::tanh(gate(2)), sigmoid16::sigmoid(gate(3)));
                let kept = sat16(p.forget.apply(f * i32::from(*cell), rounding));
                let mut c = sat16(kept + sat16(p.update.apply(i * g, rounding)));
                if p.cell_clip > 0 {
                    c = c.clamp(-p.cell_clip, p.cell_clip);
                }
                *cell = c as i16;
                let scaled = p.hidden.apply(o * tanh_of_cell(c, p.cell_bits), rounding);
                *y = A::clamp(scaled.saturating_add(p.gates.hidden_zero_point));
            }
            hidden.copy_from_slice(y);
        }
    }
    Ok(())
}
